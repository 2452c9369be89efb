//! What is measured: operations on messages, the same for the clock and for the counter.
//!
//! ```text
//! relay.rs                            two connections joined as a driver joins them
//! dubbo.rs motan2.rs thrift.rs        messages of each protocol, and what is done to them
//! http1.rs http2.rs wire.rs hpack.rs  the same for HTTP
//! routes.rs balancers.rs              the route index, the choice of an endpoint
//! instructions.rs                     the program that runs under callgrind
//! ```
//!
//! Exchanges go through both roles of a proxy: the request through the connection towards the client
//! and out of the one towards the server, the response back. Routing is done as far as looking at
//! service and method.

pub mod balancers;
mod dubbo;
mod hpack;
mod http1;
mod http2;
mod motan2;
mod relay;
pub mod routes;
mod thrift;
mod wire;

use sabir_core::head::Head;
use sabir_core::name::Name;

/// Something to measure.
pub struct Operation {
    /// What it is, as tables name it.
    pub name: String,
    /// Messages, or choices, that one run handles.
    pub per_run: u32,
    /// Makes what it works on; the result runs it once.
    pub prepare: Box<dyn Fn() -> Run>,
}

/// One run of an operation, again and again.
pub type Run = Box<dyn FnMut()>;

impl Operation {
    fn new(name: impl Into<String>, prepare: impl Fn() -> Run + 'static) -> Self {
        Self {
            name: name.into(),
            per_run: 1,
            prepare: Box::new(prepare),
        }
    }
}

/// Every operation of every codec.
pub fn codecs() -> Vec<Operation> {
    let mut all = Vec::new();
    for of_protocol in [
        dubbo::operations,
        motan2::operations,
        thrift::operations,
        http1::operations,
        http2::operations,
        hpack::operations,
    ] {
        all.extend(of_protocol());
    }
    all
}

/// What is done to a request between the two connections, beside routing by service and method.
#[derive(Clone, Debug)]
enum Work {
    Nothing,
    Look(Name),
    Set(Name, &'static [u8]),
}

impl Work {
    /// What tables call it.
    fn label(&self) -> &'static str {
        match self {
            Self::Nothing => "untouched",
            Self::Look(_) => "one look",
            Self::Set(..) => "one change",
        }
    }

    fn apply(&self, head: &mut Head) {
        use std::hint::black_box;
        black_box((head.service(), head.method()));
        match self {
            Self::Nothing => {}
            Self::Look(name) => {
                black_box(head.get(name));
            }
            Self::Set(name, value) => head.set(name, value),
        }
    }
}

/// A length as tables spell it.
fn length(bytes: usize) -> String {
    match bytes {
        1024.. => format!("{} KiB", bytes / 1024),
        _ => format!("{bytes} B"),
    }
}

/// Sizes of bodies, in bytes.
const SIZES: [usize; 3] = [128, 1024, 65_536];
