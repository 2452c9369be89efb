//! A line for each call that has ended: what it says, and how it gets into a file.
//!
//! A format is text with command operators, named as Envoy names them where it has the same thing:
//!
//! | operator | what it says | JSON type |
//! | --- | --- | --- |
//! | `%START_TIME%`, `%START_TIME(FORMAT)%` | when the request arrived, UTC; RFC 3339 with milliseconds unless a format is given | string |
//! | `%DURATION%`, `%DURATION(UNIT)%` | time from the request's arrival to the end of its response in milliseconds, or in `us` or `ns` | number |
//! | `%PROTOCOL%` | name of the codec | string |
//! | `%METADATA(NAME)%`, `%METADATA(NAME?OTHER)%` | first value of that metadata of the request, or of the other if there is none; `service`, `method`, `version` and `group` work with every protocol | string |
//! | `%REQ(NAME)%` | the same as `METADATA` | string |
//! | `%RESPONSE_CODE%` | neutral name of the outcome: `ok`, `timed_out`, … | string |
//! | `%RESPONSE_FLAGS%` | Envoy's flag for the outcome: `NR`, `UH`, `UF`, `UT`, `UO`, `RL`, `DC`, … | string |
//! | `%RESPONSE_PARTY%` | who brought the outcome about: `nobody`, `caller`, `proxy`, `network`, `infrastructure`, `business` | string |
//! | `%RESPONSE_CODE_DETAILS%` | why, if sabir made the answer | string |
//! | `%ROUTE_NAME%` | name of the route | string |
//! | `%UPSTREAM_CLUSTER%` | name of the cluster | string |
//! | `%UPSTREAM_HOST%` | address and port of the endpoint | string |
//! | `%UPSTREAM_REQUEST_ATTEMPT_COUNT%` | how often the request was sent to an endpoint | number |
//! | `%DOWNSTREAM_REMOTE_ADDRESS%` | address and port of the caller | string |
//! | `%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%` | address of the caller | string |
//! | `%DOWNSTREAM_LOCAL_ADDRESS%` | address and port the caller connected to | string |
//! | `%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%` | address the caller connected to | string |
//! | `%LISTENER_NAME%` | name of the listener | string |
//! | `%BYTES_RECEIVED%` | size of the request | number |
//! | `%BYTES_SENT%` | size of the response | number |
//! | `%%` | a percent sign | |
//!
//! What is absent is `-` in text and `null` in JSON. `%…:N%` cuts a value to `N` bytes, 65536 at
//! most; without it, to 4096. A time format may hold `%Y %m %d %H %M %S`, `%F` (`%Y-%m-%d`), `%T`
//! (`%H:%M:%S`), `%s` (seconds since 1970), `%f` (nanoseconds), `%1f` to `%9f` (that many digits
//! of the second's fraction) and `%%`.
//!
//! Values that come from the network are escaped so that no value can end its line, or its quotes.

mod escape;
mod json;
mod operator;
mod parse;
mod record;
mod sink;
mod time;
mod writer;

use serde_json::{Map, Value};

use self::operator::Operator;
use self::parse::Error;

pub use self::parse::{Error as FormatError, Problem};
pub use self::record::{Downstream, Record, Upstream};
pub use self::sink::Sink;
pub use self::writer::{Handle, Totals, Writer};

/// The format of a log whose configuration gives none.
pub const DEFAULT_FORMAT: &str = "[%START_TIME%] %PROTOCOL% \"%METADATA(service)%\" \
\"%METADATA(method)%\" %RESPONSE_CODE% %RESPONSE_PARTY% %RESPONSE_FLAGS% \
\"%RESPONSE_CODE_DETAILS%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \"%ROUTE_NAME%\" \
\"%UPSTREAM_CLUSTER%\" %UPSTREAM_HOST% %DOWNSTREAM_REMOTE_ADDRESS% \"%LISTENER_NAME%\"";

/// What the lines of a log look like, as configured.
#[derive(Clone, Copy, Debug, Default)]
pub enum Layout<'a> {
    /// [`DEFAULT_FORMAT`].
    #[default]
    Default,
    /// Text with operators.
    Text(&'a str),
    /// A JSON object whose strings may hold operators.
    Json(&'a Map<String, Value>),
}

/// A compiled format. Writes lines without allocating, but for the growth of the buffer.
#[derive(Clone, Debug)]
pub struct AccessLog {
    pieces: Vec<Piece>,
}

/// A part of a line.
#[derive(Clone, Debug)]
enum Piece {
    Literal(Box<[u8]>),
    Value(Operator, Style),
}

/// How a value is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Style {
    /// As text.
    Text,
    /// As a JSON value with its type.
    Json,
    /// As a part of a JSON string.
    JsonPart,
}

impl AccessLog {
    /// Compiles a format. Fails at the first operator that cannot be understood, and says where.
    pub fn compile(layout: Layout<'_>) -> Result<Self, Error> {
        let pieces = match layout {
            Layout::Default => parse::text(DEFAULT_FORMAT, Style::Text)?,
            Layout::Text(format) => parse::text(format, Style::Text)?,
            Layout::Json(object) => json::object(object)?,
        };
        Ok(Self { pieces })
    }

    /// Whether a line says something that only the request's head knows. If not,
    /// [`Record::request`] may be `None`.
    pub fn needs_request(&self) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::Literal(_) => false,
            Piece::Value(operator, _) => operator.needs_request(),
        })
    }

    /// Appends the line of `record`, with its line feed, to `out`.
    pub fn write(&self, out: &mut Vec<u8>, record: &Record<'_>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Value(operator, style) => operator.write(out, record, *style),
            }
        }
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests;
