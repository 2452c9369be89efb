//! Load generator and echo backend of the comparison harness, in one binary.
//!
//! ```text
//! sabir-loadgen load dubbo ──requests──▶ proxy under test ──▶ sabir-loadgen backend dubbo
//!        ▲                                                              │
//!        └────────────── checked replies ◀──────────────────────────────┘
//! ```
//!
//! Both sides are one thread around one epoll, so that the processor time they take beside the proxy stays small
//! and is known: the load side prints its own share.

mod arguments;
mod backend;
mod dubbo;
mod hessian;
mod link;
mod load;
mod outcome;
mod pace;
mod poller;
mod protocol;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, BackendProtocol, Command, LoadProtocol};

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Load { protocol } => match protocol {
            LoadProtocol::Dubbo { plan, call } => dubbo::Caller::new(&call, plan.body)
                .map_err(load::LoadError::from)
                .and_then(|caller| load::run(&plan, &caller))
                .map(|report| println!("{report}"))
                .map_err(|error| error.to_string()),
        },
        Command::Backend { protocol } => match protocol {
            BackendProtocol::Dubbo { service } => {
                backend::run(&service, &dubbo::Echo::new(service.body))
                    .map_err(|error| error.to_string())
            }
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sabir-loadgen: {error}");
            ExitCode::FAILURE
        }
    }
}
