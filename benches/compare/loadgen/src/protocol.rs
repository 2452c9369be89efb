//! What a protocol brings to the two loops: how a request is written and a reply judged, how a request is answered.
//!
//! A further protocol is one module that implements [`Calls`] and [`Answers`], and one arm each in `main`.

/// Something on the wire that the protocol does not allow; ends the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// The first bytes are not those of a message.
    #[error("not a message of this protocol")]
    Magic,
    /// A message announces more than is accepted.
    #[error("a message of {0} bytes is announced")]
    TooLarge(u64),
    /// A message that has no place in this direction.
    #[error("a message of the wrong kind")]
    Kind,
    /// A request whose body cannot be read up to the argument.
    #[error("a request that cannot be read")]
    Body,
}

/// Names a request on its connection, so that its reply is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(pub(crate) u64);

/// Whether a reply is the right one, in every byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Right status, length and content, and the request's own token in it.
    Right,
    /// A status that is not success, as on the wire.
    Status(u8),
    /// Success, but not with the bytes that the backend sends for this request.
    Content,
}

/// What the front of the received bytes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// No whole message yet; so many bytes are needed in all, as far as is known.
    Wait {
        /// Bytes from the front that must have arrived before another look makes sense.
        needed: usize,
    },
    /// A message that is no reply (a heartbeat, say); what it demands has been written.
    Skip {
        /// Its length.
        consumed: usize,
    },
    /// A reply.
    Reply {
        /// Its length.
        consumed: usize,
        /// The request it answers; a protocol without ids on the wire takes it from the token in the content.
        ticket: Ticket,
        /// How it compares with what it should be, if the ticket is in flight.
        verdict: Verdict,
    },
}

/// The load side of a protocol.
pub(crate) trait Calls {
    /// Appends the request of `ticket` on connection `connection` to `out`.
    fn write_request(&self, connection: u32, ticket: Ticket, out: &mut Vec<u8>);

    /// Looks at the front of what connection `connection` received; what has to be said in return goes to `out`.
    fn read_reply(
        &self,
        connection: u32,
        received: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Step, Violation>;
}

/// The backend side of a protocol.
pub(crate) trait Answers {
    /// Answers the message at the front of `received` into `out`. [`Step::Reply`] is never returned.
    fn answer(&self, received: &[u8], out: &mut Vec<u8>) -> Result<Step, Violation>;
}
