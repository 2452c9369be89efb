//! Looking up a route among many.

use std::hint::black_box;

use sabir_core::head::Head;
use sabir_core::name::Name;
use sabir_router::matcher::Matcher;
use sabir_router::table::RouteTable;
use sabir_router::value::{Case, Pattern, Sense, ValueMatcher};

use crate::Operation;

#[expect(clippy::unwrap_used, reason = "the messages are of our own making")]
#[path = "../../router/tests/router/toy.rs"]
mod toy;

/// How routes are looked up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// By the index.
    Index,
    /// One by one, in order.
    Linear,
}

/// Look-ups in tables of these sizes, in `way`.
pub fn operations(sizes: &[usize], way: Way) -> Vec<Operation> {
    let look_ups = match way {
        Way::Index => LOOK_UPS,
        Way::Linear => FEW,
    };
    let of = |&size: &usize| Operation {
        per_run: look_ups as u32,
        ..Operation::new(
            format!("route, {way:?}, {size} routes").to_lowercase(),
            move || {
                let (table, mut heads) = (table(size), heads(size));
                check(&table, &heads);
                heads.truncate(look_ups);
                Box::new(move || {
                    for head in &heads {
                        black_box(match way {
                            Way::Index => table.find(head),
                            Way::Linear => table.find_linear(head),
                        });
                    }
                })
            },
        )
    };
    sizes.iter().map(of).collect()
}

/// Services of a large mesh: a tenth of the routes by prefix, some by regex, some that look at
/// attachments, most by service and method.
fn matcher(number: usize) -> Matcher {
    let service = service(number);
    let pattern = |pattern| {
        let made = ValueMatcher::new(pattern, Case::Sensitive, Sense::Positive);
        made.expect("a sound pattern")
    };
    let mut values = vec![(Name::new("service"), ValueMatcher::exact(service.clone()))];
    match number % 20 {
        0 | 1 => values[0].1 = pattern(Pattern::Prefix(service.into())),
        2 => {
            let regex = format!(r"{}\.\w+", service.replace('.', r"\."));
            values[0].1 = pattern(Pattern::Regex(regex));
        }
        3 | 4 => values.push((
            Name::new("tenant"),
            ValueMatcher::exact(format!("t{number}")),
        )),
        5..10 => {}
        _ => values.push((
            Name::new("method"),
            ValueMatcher::exact(format!("call{number}")),
        )),
    }
    Matcher::new(values, Vec::new(), None).expect("conditions that make sense")
}

/// Ten neighbours share a service, except where the routes are by prefix or regex.
fn service(number: usize) -> String {
    let group = if number % 20 < 3 { number } else { number / 10 };
    format!("com.example.team{}.Service{group}Facade", group % 97)
}

fn head(number: usize) -> Head {
    let method = format!("call{number}");
    let tenant = format!("t{number}");
    let pairs = [
        ("trace", "00-4bf92f3577b34da6"),
        ("tenant", tenant.as_str()),
    ];
    let suffix = if number % 20 < 3 { ".Impl" } else { "" };
    toy::request(&(service(number) + suffix), &method, &pairs)
}

fn table(size: usize) -> RouteTable<usize> {
    RouteTable::new((0..size).map(|number| (matcher(number), number)).collect())
}

/// Requests in random order over the whole table, so that it does not stay in the first cache.
fn heads(size: usize) -> Vec<Head> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..LOOK_UPS).map(|_| head(random.usize(0..size))).collect()
}

/// What is measured is what a mesh does.
fn check(table: &RouteTable<usize>, heads: &[Head]) {
    let parsed = toy::parsed();
    let found = heads.iter().filter(|head| table.find(head).is_some());
    assert!(
        found.count() * 10 > heads.len() * 9,
        "most requests have a route"
    );
    let parsed = (toy::parsed() - parsed) as usize;
    // Once to look for one name, and once more for who looks again.
    assert!(
        parsed < heads.len(),
        "attachments are parsed where routes need them"
    );
}

/// Requests of one run.
const LOOK_UPS: usize = 1_000;

/// Requests of one run that takes its time.
const FEW: usize = 10;
