//! What a protocol brings to the two loops: how a request is written and a reply judged, how a request is answered.
//!
//! A further protocol is one module that implements [`Calls`] and [`Answers`], and one arm each in `main`.

/// What cannot be written as a request of a protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// Lengths are counted in other units than bytes somewhere; this generator keeps to text where they agree.
    #[error("{0:?}: only ASCII text shorter than 32 KiB can be sent")]
    Text(String),
    /// The protocol has no place for pairs beside the call.
    #[error("{0} carries no attachments")]
    Attachment(&'static str),
    /// The protocol's module prepares one request only.
    #[error("{0} calls one service only")]
    Services(&'static str),
}

/// Something on the wire that the protocol does not allow; ends the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// The first bytes are not those of a message.
    #[error("not a message of this protocol")]
    Magic,
    /// A message announces more than is accepted.
    #[error("a message of {0} bytes is announced")]
    TooLarge(u64),
    /// A message that has no place in this direction, or that this program has no use for.
    #[error("a message of the wrong kind")]
    Kind,
    /// A message that cannot be read as far as is necessary.
    #[error("a message that cannot be read")]
    Body,
    /// The other side wants no more requests on this connection.
    #[error("the other side is leaving")]
    Leaving,
}

/// Names a request on its connection, so that its reply is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(pub(crate) u64);

impl Ticket {
    /// The request that is the `started`th of its connection and takes place `place` in it.
    pub(crate) fn new(started: u64, place: u16) -> Self {
        Self((started << 16) | u64::from(place))
    }

    /// The lowest sixteen bits find the place again; what is above them makes the ticket unique.
    pub(crate) fn place(self) -> usize {
        (self.0 & 0xffff) as usize
    }

    /// How many requests the connection had started with this one.
    pub(crate) fn started(self) -> u64 {
        self.0 >> 16
    }
}

/// Whether a reply is the right one, in every byte that the backend sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Right status, length and content, and the request's own token in it.
    Right,
    /// A status that is not success, as on the wire; 0 for one whose spelling this program does not know.
    Status(u16),
    /// The stream was reset, with this code.
    Reset(u32),
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
        /// The request it answers; a protocol without ids on the wire takes the oldest.
        ticket: Ticket,
        /// How it compares with what it should be, if the ticket is in flight.
        verdict: Verdict,
    },
}

/// The load side of a protocol.
pub(crate) trait Calls {
    /// What one connection remembers.
    type State;

    /// Begins the connection with this number; what has to be said first goes to `out`.
    fn open(&self, connection: u32, out: &mut Vec<u8>) -> Self::State;

    /// Appends the request of `ticket` to `out`.
    fn write_request(&self, state: &mut Self::State, ticket: Ticket, out: &mut Vec<u8>);

    /// Looks at the front of what a connection received; what has to be said in return goes to `out`.
    fn read_reply(
        &self,
        state: &mut Self::State,
        received: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Step, Violation>;
}

/// The backend side of a protocol.
pub(crate) trait Answers {
    /// What one connection remembers.
    type State: Default;

    /// Answers the message at the front of `received` into `out`. [`Step::Reply`] is never returned.
    fn answer(
        &self,
        state: &mut Self::State,
        received: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Step, Violation>;
}
