//! Motan2 with Hessian: metadata as lines of text, which carry the pairs, before the body.
//!
//! Specification: `MotanV2Codec` of weibocom/motan.

use sabir::codecs::dubbo::hessian2::{read_string, write_string};
use sabir::codecs::dubbo::{BodyError, Cursor};
use sabir::codecs::motan2::Motan2 as Codec;
use sabir::core::bytes::Bytes;
use sabir::core::frame::StreamId;
use sabir::core::head::Kind;
use sabir::core::message::{Decoded, MessageCodec};
use sabir::core::metadata::Malformed;
use sabir::core::outcome::Reply;
use sabir::core::output::Output;

use super::{Asked, Dialect};
use crate::demo::message::{CallError, Request};

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motan2;

impl Dialect for Motan2 {
    fn name(&self) -> &'static str {
        "Motan2"
    }

    fn starts_with(&self, first: &[u8]) -> bool {
        first.starts_with(&[MAGIC])
    }

    fn message_len(&self, input: &[u8]) -> Result<Option<usize>, Malformed> {
        Codec::default().frame_len(input)
    }

    fn call(&self, id: u32, request: &Request) -> Vec<u8> {
        let mut metadata = format!("M_p\n{}\nM_m\n{}", request.service, request.method);
        for (key, value) in request.attachments {
            metadata.push_str(&format!("\n{key}\n{value}"));
        }
        let mut body = Vec::new();
        if let Some(argument) = &request.argument {
            metadata.push_str("\nM_md\njava.lang.String");
            write_string(argument, &mut body);
        }
        let mut message = vec![MAGIC, MAGIC, TWO_WAY, VERSION, HESSIAN];
        message.extend_from_slice(&u64::from(id).to_be_bytes());
        for part in [metadata.as_bytes(), &body] {
            // Calls of the demo are a few hundred bytes long.
            message.extend_from_slice(&(part.len() as u32).to_be_bytes());
            message.extend_from_slice(part);
        }
        message
    }

    fn serve(&self, call: Bytes, desk: &dyn Fn(Asked<'_>) -> Reply) -> Result<Vec<u8>, Malformed> {
        let Decoded { stream, head } = Codec::default().decode(call)?;
        let mut out = Output::default();
        match head.kind {
            Kind::Request => {
                let asked = Asked {
                    service: head.service(),
                    method: head.method(),
                    argument: string(head.wire()).ok(),
                };
                Codec::default().reply(stream, head.echo, &desk(asked), &mut out);
            }
            Kind::Ping => {
                // A pong has nothing that could go unsaid.
                let _: sabir::core::connection::Written =
                    Codec::default().encode(stream, &head, &mut out);
            }
            _ => {}
        }
        Ok(out.to_vec())
    }

    fn answer(&self, id: u32, answer: Bytes) -> Result<String, CallError> {
        let Decoded { stream, head } = Codec::default().decode(answer)?;
        if stream != StreamId(id.into()) || head.kind != Kind::Response {
            return Err(CallError::OtherCall);
        }
        if head.outcome.is_ok() {
            return Ok(string(head.wire())?);
        }
        let metadata = metadata(head.wire())?.to_vec();
        let text = String::from_utf8_lossy(&metadata);
        Err(CallError::Refused(text.replace('\n', " ")))
    }
}

/// The metadata of a message.
fn metadata(message: &[u8]) -> Result<&[u8], BodyError> {
    let mut cursor = Cursor::new(message, METADATA_LEN_AT);
    let len = u32::from_be_bytes(cursor.array()?);
    cursor.take(len as usize)
}

/// The body of a message, a string; empty if there is none.
fn string(message: &[u8]) -> Result<String, BodyError> {
    let body_len_at = METADATA_LEN_AT + 4 + metadata(message)?.len();
    let mut cursor = Cursor::new(message, body_len_at);
    if cursor.array()? == [0; 4] {
        return Ok(String::new());
    }
    let text = read_string(&mut cursor)?;
    Ok(text.map_or_else(String::new, |text| text.to_str(message).into_owned()))
}

/// Either of the first two bytes.
const MAGIC: u8 = 0xf1;
/// Flags of a call that awaits an answer.
const TWO_WAY: u8 = 0;
/// Version, of the status zero.
const VERSION: u8 = 1 << 3;
/// Number of the serialization.
const HESSIAN: u8 = 0;
/// Where the length of the metadata stands.
const METADATA_LEN_AT: usize = 13;
