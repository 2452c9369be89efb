//! Hessian 2.0, as far as a proxy needs it: strings, the attachment map, skipping any value without
//! knowing its class, and writing strings, ints, maps and exceptions.
//!
//! ```text
//! tag.rs     what follows a value's first byte
//! string.rs  strings: UTF-16 units spelled in 1 to 3 bytes each, possibly in chunks
//! scalar.rs  ints, and scalars as text
//! skip.rs    any value, without recursion
//! map.rs     the attachment map, entry by entry
//! write.rs   strings, ints, exceptions
//! ```
//!
//! There is no frame and no length: values follow each other, each recognised from its first byte.
//! Every value takes at least one byte, so a declared count above the bytes left is a lie and is
//! refused before the first element. Nothing is allocated in proportion to a declared length.
//!
//! Specification: <http://hessian.caucho.com/doc/hessian-serialization.html>; where
//! `apache/dubbo-hessian-lite` and `apache/dubbo-go-hessian2` agree on something else, they win.

mod map;
mod scalar;
mod skip;
mod string;
mod tag;
mod write;

pub use map::read_map;
pub use scalar::read_int;
pub use skip::Skipper;
pub use string::{read_string, skip_string};
pub use write::{Field, write_exception, write_int, write_string};

/// Values nested deeper than this are refused; the real clients' readers recurse and would overflow.
pub const MAX_DEPTH: usize = 64;

/// Class definitions, and likewise type names, one body may hold.
pub const MAX_DEFINITIONS: usize = 4096;
