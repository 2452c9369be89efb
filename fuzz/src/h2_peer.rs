//! The crate `h2` as the peer, in either role, in memory and without a runtime: everything is
//! polled in turn until all calls are done.
//!
//! Both sides must agree on each head, body, trailer and reset; neither may find fault with the
//! other, and nobody may wait for what does not come.

mod calls;
mod ours;
mod pipe;
mod theirs;

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};

use sabir_core::kit::script::Script;
use sabir_core::protocol::Role;

use calls::{Call, Windows};
use ours::Ours;
use pipe::{Io, Pipe};
use theirs::Theirs;

/// Input: who is the client, windows and other settings, the calls, and how bytes are cut.
pub fn of(input: &[u8]) {
    let mut script = Script::new(input);
    let role = if script.flag() {
        Role::Client
    } else {
        Role::Server
    };
    let windows = Windows::of(&mut script);
    let count = 1 + script.below(4);
    let calls: Vec<_> = (0..count).map(|at| Call::of(at, &mut script)).collect();
    let calls: Rc<[Call]> = calls.into();
    let pipe = Rc::new(RefCell::new(Pipe::default()));
    let io = Io(pipe.clone());
    let theirs = match role {
        Role::Server => theirs::client(&windows, &calls, io),
        Role::Client => theirs::server(&windows, &calls, io),
    };
    let ours = Ours::new(role, &windows, calls);
    World { pipe, theirs, ours }.run(&mut script);
}

struct World {
    pipe: Rc<RefCell<Pipe>>,
    theirs: Theirs,
    ours: Ours,
}

impl World {
    fn run(mut self, script: &mut Script<'_>) {
        let mut idle = 0;
        // Whoever is slow comes round in time.
        while idle < ours::SLOWEST + 3 {
            let polled = self.poll();
            let acted = self.ours.act();
            let said = self.exchange(script);
            if self.theirs.left.get() == 0 && self.ours.is_done() && !said && !acted {
                return;
            }
            idle = if polled || said || acted { 0 } else { idle + 1 };
        }
        let (theirs, ours) = (self.theirs.left.get(), &self.ours);
        panic!("nobody goes on: {theirs} calls of theirs, {ours:?}");
    }

    /// Polls what is theirs; whether a call ended or something was written.
    fn poll(&mut self) -> bool {
        let state = |world: &Self| (world.theirs.left.get(), world.pipe.borrow().written());
        let before = state(self);
        let cx = &mut Context::from_waker(Waker::noop());
        let ended = self.theirs.run.as_mut().poll(cx).is_ready();
        assert!(!ended, "their connection goes on for ever");
        before != state(self)
    }

    /// Carries bytes, as many at a time as the script says; whether there were any.
    fn exchange(&mut self, script: &mut Script<'_>) -> bool {
        let most = match script.is_over() {
            true => usize::MAX,
            false => 1 + script.below(40_000),
        };
        let theirs = self.pipe.borrow_mut().take(most);
        self.ours.hear(&theirs);
        let ours = self.ours.say(most);
        self.pipe.borrow_mut().give(&ours);
        !theirs.is_empty() || !ours.is_empty()
    }
}
