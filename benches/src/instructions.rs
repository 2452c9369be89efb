//! Runs each operation a fixed number of times, for callgrind to count its instructions.
//!
//! `.ci/instructions.py` runs it and compares. Each operation runs some rounds and then twice as
//! many, and [`mark`] is called before, between and after: the difference of the two counts is what
//! the rounds take, without what it takes to start. Prints a line per operation: messages in that
//! difference, then the name.

use std::hint::black_box;
use std::io::{self, Write};

use sabir_benches::{Operation, Run, balancers, codecs, routes};

fn main() -> io::Result<()> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let mut out = io::stdout().lock();
    for operation in all() {
        if operation.name.contains(&wanted) {
            // A run of many messages says as much as many runs.
            let rounds = (MESSAGES / operation.per_run).max(1);
            writeln!(out, "{} {}", operation.per_run * rounds, operation.name)?;
            count(&mut (operation.prepare)(), rounds);
        }
    }
    Ok(())
}

fn all() -> Vec<Operation> {
    let mut all = codecs();
    all.extend(routes::operations(&[1_000, 10_000], routes::Way::Index));
    all.extend(balancers::operations());
    all
}

#[inline(never)]
fn count(run: &mut Run, rounds: u32) {
    for phase in [1, 1, 2] {
        for _ in 0..phase * rounds {
            run();
        }
        mark(phase);
    }
}

/// Where callgrind notes its count. By this name it is told where.
#[inline(never)]
fn mark(phase: u32) {
    black_box(phase);
}

/// Messages of the shorter run.
const MESSAGES: u32 = 100;
