//! A filter that notes what it is called for.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, RwLock};

use sabir::Options;
use sabir::core::filter::{Context, Filter, Flow};
use sabir::core::head::Head;
use sabir::core::outcome::{Code, Outcome, Reply};
use sabir::core::protocol::OptionsError;

/// What was noted, by the book that configuration names.
static BOOKS: LazyLock<RwLock<HashMap<String, Vec<String>>>> = LazyLock::new(RwLock::default);

/// Everything in `book` so far: `a+` a request, `a<` a response, `a=code` the end.
pub(crate) fn noted(book: &str) -> Vec<String> {
    BOOKS.read().unwrap().get(book).cloned().unwrap_or_default()
}

/// How often `what` was noted in `book`.
pub(crate) fn count(book: &str, what: &str) -> usize {
    noted(book).iter().filter(|n| n.starts_with(what)).count()
}

/// Takes everything out of `book`.
pub(crate) fn take(book: &str) -> Vec<String> {
    BOOKS.write().unwrap().remove(book).unwrap_or_default()
}

pub(crate) fn register(options: &mut Options) {
    options.filters.add("tally", |config| {
        let text = |key: &str| config[key].as_str().unwrap_or_default().to_owned();
        let filter: Arc<dyn Filter> = Arc::new(Tally {
            book: text("book"),
            name: text("name"),
            does: text("does"),
        });
        Ok::<_, OptionsError>(filter)
    });
}

/// A line of configuration for one.
pub(crate) fn configured(book: &str, name: &str, does: &str) -> String {
    format!("{{type: tally, name: {name}, config: {{book: {book}, name: {name}, does: {does}}}}}")
}

struct Tally {
    book: String,
    name: String,
    does: String,
}

impl Tally {
    fn note(&self, what: &str) {
        let mut books = BOOKS.write().unwrap();
        let book = books.entry(self.book.clone()).or_default();
        book.push(format!("{}{what}", self.name));
    }
}

impl Filter for Tally {
    fn on_request(&self, request: &mut Head, _: &mut Context) -> Flow {
        self.note("+");
        match self.does.as_str() {
            "deny" => Flow::Reply(Reply::refused(Code::Denied, "not you")),
            "wait" => Flow::Wait(Box::pin(async {
                tokio::task::yield_now().await;
                Flow::Continue
            })),
            "wait-deny" => Flow::Wait(Box::pin(async {
                Flow::Reply(Reply::refused(Code::Denied, "not you"))
            })),
            "hang" if request.method() == b"hang" => Flow::Wait(Box::pin(std::future::pending())),
            _ => Flow::Continue,
        }
    }

    fn on_response(&self, _: &mut Head, _: &mut Context) -> Flow {
        self.note("<");
        match self.does.as_str() {
            "replace" => Flow::Reply(Reply::refused(Code::Unavailable, "not this")),
            _ => Flow::Continue,
        }
    }

    fn on_end(&self, outcome: Outcome, _: &mut Context) {
        self.note(&format!("={}", outcome.code.as_str()));
    }
}
