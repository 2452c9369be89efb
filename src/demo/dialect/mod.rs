//! The protocols of the demo whose messages are whole, beside Dubbo: a file each.
//!
//! Callers and providers here take turns: one call at a time on a connection, see
//! [`turns`](super::turns). Another protocol is another file and a line in [`ALL`].

use std::fmt;

use sabir::core::bytes::Bytes;
use sabir::core::metadata::Malformed;
use sabir::core::outcome::Reply;

use super::message::{CallError, Request};

mod http1;
mod motan2;
mod thrift;

/// A protocol as peers of the demo speak it.
pub(super) trait Dialect: fmt::Debug + Send + Sync {
    /// What it is called in the table.
    fn name(&self) -> &'static str;

    /// Whether connections that start with the bytes `first` speak it.
    fn starts_with(&self, first: &[u8]) -> bool;

    /// Length of the message that starts `input`; `None` if too little of it has arrived to tell.
    ///
    /// # Errors
    /// It is no message of this protocol.
    fn message_len(&self, input: &[u8]) -> Result<Option<usize>, Malformed>;

    /// The message of a call with `id`.
    fn call(&self, id: u32, request: &Request) -> Vec<u8>;

    /// The message that answers `call` with what `desk` says; empty if it awaits none.
    ///
    /// # Errors
    /// It is no call.
    fn serve(&self, call: Bytes, desk: &dyn Fn(Asked<'_>) -> Reply) -> Result<Vec<u8>, Malformed>;

    /// What the message `answer` says, which arrived after the call with `id`.
    ///
    /// # Errors
    /// The error it says, or what is wrong with it.
    fn answer(&self, id: u32, answer: Bytes) -> Result<String, CallError>;
}

/// What a call asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Asked<'a> {
    /// Interface.
    pub(super) service: &'a [u8],
    /// Method.
    pub(super) method: &'a [u8],
    /// The argument; `None` if it is anything but one string, empty if there is none.
    pub(super) argument: Option<String>,
}

/// All of them.
pub(super) const ALL: [&dyn Dialect; 3] = [&motan2::Motan2, &thrift::Thrift, &http1::Http1];

/// The one of connections that start with the bytes `first`.
pub(super) fn of(first: &[u8]) -> Option<&'static dyn Dialect> {
    ALL.into_iter().find(|dialect| dialect.starts_with(first))
}

#[cfg(test)]
mod tests {
    use sabir::core::outcome::{Code, Outcome};

    use super::*;

    fn request() -> Request {
        Request {
            service: "org.sabir.demo.UserService",
            method: "echo",
            argument: Some("ä".to_owned()),
            attachments: &[("batchjob", "true")],
        }
    }

    /// What a caller reads whose call is served with `reply`.
    fn served(dialect: &dyn Dialect, reply: &Reply) -> Bytes {
        let call = Bytes::from(dialect.call(7, &request()));
        let answer = dialect.serve(call, &|asked| {
            let expected = Asked {
                service: b"org.sabir.demo.UserService",
                method: b"echo",
                argument: Some("ä".to_owned()),
            };
            assert_eq!(asked, expected, "{dialect:?}");
            reply.clone()
        });
        answer.unwrap().into()
    }

    #[test]
    fn what_is_said_in_a_dialect_is_understood_in_it() {
        for dialect in ALL {
            let answer = served(dialect, &Reply::new(Outcome::OK, "p: ä"));
            assert_eq!(dialect.answer(7, answer).as_deref(), Ok("p: ä"));
            let answer = served(dialect, &Reply::refused(Code::NotFound, "nobody"));
            match dialect.answer(7, answer) {
                Err(CallError::Refused(text)) => assert!(text.contains("nobody"), "{text}"),
                other => panic!("{dialect:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn messages_say_how_long_they_are() {
        for dialect in ALL {
            let call = dialect.call(7, &request());
            assert_eq!(dialect.message_len(&call), Ok(Some(call.len())));
            for cut in 1..call.len() {
                let len = dialect.message_len(&call[..cut]).unwrap();
                assert!(len.is_none_or(|len| len == call.len()), "{dialect:?}");
            }
        }
    }

    #[test]
    fn dialects_are_told_by_their_first_byte() {
        for dialect in ALL {
            let call = dialect.call(7, &request());
            assert_eq!(of(&call[..2]).map(Dialect::name), Some(dialect.name()));
        }
        assert!(of(&[0xda, 0xbb]).is_none() && of(b"PR").is_none());
    }

    #[test]
    fn messages_cut_short_are_errors() {
        for dialect in ALL {
            let call = Bytes::from(dialect.call(7, &request()));
            let nobody = |_: Asked<'_>| Reply::refused(Code::Internal, "");
            assert!(dialect.serve(call.slice(..9), &nobody).is_err());
            assert!(dialect.answer(7, call.slice(..9)).is_err());
        }
    }
}
