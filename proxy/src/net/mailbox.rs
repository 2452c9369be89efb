//! What tasks of one worker leave for each other.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

/// A queue between tasks of one thread: no atomics, no lock, one wake-up for however many letters.
///
/// It has no bound of its own. What is put into it is bounded by the limits on requests in flight,
/// on connections and on message size of those who put it there.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    queue: RefCell<VecDeque<T>>,
    waker: RefCell<Option<Waker>>,
    woken: Cell<bool>,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self {
            queue: RefCell::default(),
            waker: RefCell::default(),
            woken: Cell::new(false),
        }
    }
}

impl<T> Mailbox<T> {
    /// Leaves `letter` and wakes the owner, unless it was woken since it last looked.
    pub(crate) fn push(&self, letter: T) {
        self.queue.borrow_mut().push_back(letter);
        if !self.woken.replace(true)
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// Takes everything into `letters`, which is empty; `Pending` if there is nothing.
    pub(crate) fn poll_take(&self, cx: &Context<'_>, letters: &mut VecDeque<T>) -> Poll<()> {
        self.woken.set(false);
        let mut queue = self.queue.borrow_mut();
        if !queue.is_empty() {
            std::mem::swap(&mut *queue, letters);
            return Poll::Ready(());
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Trades its memory with whoever lends or keeps it, if nothing is in it.
    pub(crate) fn swap_memory(&self, memory: &mut VecDeque<T>) {
        let mut queue = self.queue.borrow_mut();
        if queue.is_empty() {
            std::mem::swap(&mut *queue, memory);
        }
    }

    /// Takes everything that is left, for an owner that ends.
    pub(crate) fn take(&self) -> VecDeque<T> {
        self.queue.take()
    }
}
