//! Chunked bodies, taken apart. RFC 9112 §7.1.
//!
//! ```text
//! size [; extensions] CRLF  data CRLF  …  0 CRLF  trailer lines  CRLF
//! ```

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use super::body::Piece;
use super::options::HeadLimits;
use super::refusal::Refusal;
use super::request::validate_trailers;
use super::scan::{Scan, Section};

/// Where in a chunked body the next byte belongs.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    part: Part,
    extensions: usize,
    trailers: Scan,
}

#[derive(Debug, Default)]
enum Part {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
}

impl Chunked {
    /// Takes the next piece out of `input`; `None` if too little of it has arrived.
    pub(super) fn next(
        &mut self,
        input: &mut BytesMut,
        limits: &HeadLimits,
    ) -> Result<Option<Piece>, Refusal> {
        loop {
            match self.part {
                Part::Size => {
                    let Some(size) = self.size(input)? else {
                        return Ok(None);
                    };
                    self.part = if size == 0 {
                        Part::Trailers
                    } else {
                        Part::Data(size)
                    };
                }
                Part::Data(_) if input.is_empty() => return Ok(None),
                Part::Data(left) => return Ok(Some(self.data(left, input))),
                Part::DataEnd => match input.get(..2) {
                    Some(b"\r\n") => {
                        input.advance(2);
                        self.part = Part::Size;
                    }
                    None if b"\r\n".starts_with(input) => return Ok(None),
                    _ => return Err(Refusal::bad("chunk: longer than its size", 0)),
                },
                Part::Trailers => return self.trailers(input, limits),
            }
        }
    }

    fn data(&mut self, left: u64, input: &mut BytesMut) -> Piece {
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        self.part = match left - n as u64 {
            0 => Part::DataEnd,
            left => Part::Data(left),
        };
        let bytes = input.split_to(n).freeze();
        Piece::Data { bytes, end: false }
    }

    fn size(&mut self, input: &mut BytesMut) -> Result<Option<u64>, Refusal> {
        let Some(lf) = memchr(b'\n', input) else {
            return match input.len() > LONGEST_LINE {
                true => Err(Refusal::bad("chunk size: line too long", input.len())),
                false => Ok(None),
            };
        };
        let line = &input[..lf];
        let Some(line) = line.strip_suffix(b"\r") else {
            return Err(Refusal::bad("chunk size: LF without CR", lf));
        };
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let (digits, extension) = line.split_at(digits);
        let size = hex(digits).ok_or_else(|| Refusal::bad("chunk size", 0))?;
        self.extensions += extension.len();
        let is_sound = match extension.first() {
            None => true,
            // A CR, or another control, is the end of the line to some.
            Some(b';') => super::field::is_value(extension),
            Some(_) => false,
        };
        if !is_sound || line.len() > LONGEST_LINE || self.extensions > MOST_EXTENSIONS {
            return Err(Refusal::bad("chunk extension", digits.len()));
        }
        input.advance(lf + 1);
        Ok(Some(size))
    }

    fn trailers(
        &mut self,
        input: &mut BytesMut,
        limits: &HeadLimits,
    ) -> Result<Option<Piece>, Refusal> {
        let Some(found) = self.trailers.find(input, Section::Trailers, limits)? else {
            return Ok(None);
        };
        let block = input.split_to(found.len).freeze();
        if found.lines == 0 {
            let bytes = Bytes::new();
            return Ok(Some(Piece::Data { bytes, end: true }));
        }
        validate_trailers(&block, found.lines)?;
        Ok(Some(Piece::Trailers(block)))
    }
}

/// Reads 1 to 16 hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u64> {
    if !(1..=16).contains(&digits.len()) {
        return None;
    }
    let digit = |&b: &u8| (b as char).to_digit(16).map(u64::from);
    let add = |value: u64, b| Some(value << 4 | digit(b)?);
    digits.iter().try_fold(0, add)
}

/// Longest line with the size of a chunk, in bytes.
const LONGEST_LINE: usize = 4 << 10;

/// Most extensions of the chunks of a body together, in bytes. They are dropped.
const MOST_EXTENSIONS: usize = 16 << 10;
