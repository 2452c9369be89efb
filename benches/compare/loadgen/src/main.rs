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
mod hold;
mod http1;
mod http2;
#[cfg(test)]
mod kit;
mod line;
mod link;
mod load;
mod motan2;
mod outcome;
mod pace;
mod poller;
mod protocol;
mod thrift;
mod token;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Call, Command, Crowd, Plan, Protocol, Service};
use crate::http2::Flavour;

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Load {
            protocol,
            plan,
            call,
        } => load(protocol, &plan, &call),
        Command::Hold {
            protocol,
            crowd,
            call,
        } => hold(protocol, &crowd, &call),
        Command::Backend { protocol, service } => serve(protocol, &service),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sabir-loadgen: {error}");
            ExitCode::FAILURE
        }
    }
}

fn load(protocol: Protocol, plan: &Plan, call: &Call) -> Result<(), Box<dyn Error>> {
    let body = plan.body;
    let report = match protocol {
        Protocol::Dubbo => load::run(plan, &dubbo::Caller::new(call, body)?)?,
        Protocol::Thrift => load::run(plan, &thrift::Caller::new(call, body)?)?,
        Protocol::Motan2 => load::run(plan, &motan2::Caller::new(call, body)?)?,
        Protocol::Http1 => load::run(plan, &http1::Caller::new(call, body)?)?,
        Protocol::Http2 => load::run(plan, &http2::Caller::new(call, Flavour::Plain, body)?)?,
        Protocol::Grpc => load::run(plan, &http2::Caller::new(call, Flavour::Grpc, body)?)?,
    };
    println!("{report}");
    Ok(())
}

fn hold(protocol: Protocol, crowd: &Crowd, call: &Call) -> Result<(), Box<dyn Error>> {
    let body = crowd.body;
    match protocol {
        Protocol::Dubbo => hold::run(crowd, &dubbo::Caller::new(call, body)?)?,
        Protocol::Thrift => hold::run(crowd, &thrift::Caller::new(call, body)?)?,
        Protocol::Motan2 => hold::run(crowd, &motan2::Caller::new(call, body)?)?,
        Protocol::Http1 => hold::run(crowd, &http1::Caller::new(call, body)?)?,
        Protocol::Http2 => hold::run(crowd, &http2::Caller::new(call, Flavour::Plain, body)?)?,
        Protocol::Grpc => hold::run(crowd, &http2::Caller::new(call, Flavour::Grpc, body)?)?,
    }
    Ok(())
}

fn serve(protocol: Protocol, service: &Service) -> Result<(), Box<dyn Error>> {
    let body = service.body;
    match protocol {
        Protocol::Dubbo => backend::run(service, &dubbo::Echo::new(body))?,
        Protocol::Thrift => backend::run(service, &thrift::Echo::new(body))?,
        Protocol::Motan2 => backend::run(service, &motan2::Echo::new(body))?,
        Protocol::Http1 => backend::run(service, &http1::Echo::new(body))?,
        Protocol::Http2 => backend::run(service, &http2::Echo::new(Flavour::Plain, body))?,
        Protocol::Grpc => backend::run(service, &http2::Echo::new(Flavour::Grpc, body))?,
    }
    Ok(())
}
