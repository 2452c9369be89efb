//! The Dubbo TCP protocol (`dubbo://`).

mod cursor;
mod descriptor;
mod fault;
pub mod hessian2;
mod text;

pub use cursor::Cursor;
pub use descriptor::count_parameters;
pub use fault::{BodyError, Fault};
pub use text::Text;
