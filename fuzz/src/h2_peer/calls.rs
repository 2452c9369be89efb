//! What is said on each stream, which both sides know beforehand.

use sabir_core::kit::script::Script;

/// Settings of the two sides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    /// What they let us send on a stream, and on all of them.
    pub(super) theirs: (u32, u32),
    /// What we let them send on a stream, and on all of them.
    pub(super) ours: (u32, u32),
    /// Streams that a client may have open.
    pub(super) streams: u32,
    /// Their frames and tables.
    pub(super) frame: u32,
    pub(super) table: u32,
}

impl Windows {
    pub(super) fn of(script: &mut Script<'_>) -> Self {
        let stream = *script.one_of(&[65_535, 65_536, 100_000, 1 << 20]);
        Self {
            theirs: (
                *script.one_of(&[65_535, 300, 1_000, 10_000, 16_384, 40_000, 1 << 20]),
                *script.one_of(&[65_535, 65_536, 1 << 20]),
            ),
            ours: (
                stream,
                stream.max(*script.one_of(&[65_535, 1 << 18, 1 << 20])),
            ),
            streams: *script.one_of(&[100, 1, 2]),
            frame: *script.one_of(&[16_384, 16_385, 1 << 20]),
            table: *script.one_of(&[4_096, 0, 64, 65_536]),
        }
    }
}

/// A call: what each side says.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Its number, which the path names.
    pub(super) at: usize,
    /// The value of a field of the request.
    pub(super) word: String,
    pub(super) request: Body,
    pub(super) response: Body,
    pub(super) status: u16,
    /// The response does not wait for the end of the request.
    pub(super) early: bool,
    /// Rounds that pass before we consume what arrived.
    pub(super) slow: usize,
}

/// What follows a head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    pub(super) len: usize,
    pub(super) trailers: bool,
    /// Octets after which it is given up.
    pub(super) reset_at: Option<usize>,
    /// Octets that are sent at a time.
    pub(super) piece: usize,
}

impl Body {
    fn of(script: &mut Script<'_>) -> Self {
        let flags = script.byte();
        let len = match flags & 3 {
            0 => 0,
            1 => script.below(256),
            2 => script.below(20_000),
            _ => script.below(200_000),
        };
        Self {
            len,
            trailers: flags & 4 != 0,
            // Mostly not: what follows is of more interest.
            reset_at: (flags & 0x38 == 0x38).then(|| script.below(len + 1)),
            piece: *script.one_of(&[usize::MAX, 1_000, 16_384, 100, 40_000]),
        }
    }

    /// Whether the head is all there is.
    pub(super) fn is_bare(&self) -> bool {
        self.len == 0 && !self.trailers && self.reset_at.is_none()
    }

    /// Octets that are sent, if the other side takes them all.
    pub(super) fn sent(&self) -> usize {
        self.reset_at.unwrap_or(self.len)
    }
}

impl Call {
    pub(super) fn of(at: usize, script: &mut Script<'_>) -> Self {
        let flags = script.byte();
        let word = match flags & 7 {
            0 => "x".repeat(20_000),
            1 => String::new(),
            _ => script.piece().escape_ascii().to_string().trim().to_owned(),
        };
        Self {
            at,
            word,
            request: Body::of(script),
            response: Body::of(script),
            status: *script.one_of(&[200, 201, 404, 503]),
            early: flags & 8 != 0,
            slow: usize::from(flags >> 4) % 4,
        }
    }

    /// The octet at `at` of either body.
    pub(super) fn octet(&self, at: usize) -> u8 {
        (at * 7 + self.at) as u8
    }

    /// Octets of either body.
    pub(super) fn octets(&self, range: std::ops::Range<usize>) -> Vec<u8> {
        range.map(|at| self.octet(at)).collect()
    }

    /// Whether the client gives up, so that the server may miss anything.
    pub(super) fn client_resets(&self) -> bool {
        self.request.reset_at.is_some()
    }

    /// Whether the server is done before the client need be.
    pub(super) fn cuts_request_short(&self) -> bool {
        self.early || self.response.reset_at.is_some()
    }
}

/// What was heard of the other side of a call.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) word: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) body: usize,
    /// Whether every octet was the right one.
    pub(super) broken: bool,
    pub(super) trailers: Option<String>,
    pub(super) ended: bool,
    pub(super) reset: bool,
}

impl Heard {
    /// Takes note of a piece of the body.
    pub(super) fn piece(&mut self, call: &Call, bytes: &[u8]) {
        let wrong = |(at, octet): (usize, &u8)| call.octet(self.body + at) != *octet;
        self.broken |= bytes.iter().enumerate().any(wrong);
        self.body += bytes.len();
    }

    /// Checks what the server heard of the request.
    pub(super) fn check_request(&self, call: &Call) {
        self.check_body(
            call,
            &call.request,
            call.client_resets() || call.cuts_request_short(),
        );
        if !call.client_resets() || self.word.is_some() {
            assert_eq!(self.word.as_deref(), Some(&*call.word), "{call:?}");
        }
    }

    /// Checks what the client heard of the response.
    pub(super) fn check_response(&self, call: &Call) {
        let cut = call.client_resets() || call.response.reset_at.is_some();
        self.check_body(call, &call.response, cut);
        if !cut || self.status.is_some() {
            assert_eq!(self.status, Some(call.status), "{call:?}");
        }
    }

    fn check_body(&self, call: &Call, body: &Body, cut: bool) {
        assert!(!self.broken, "octets of another body: {call:?}");
        if cut {
            return assert!(self.body <= body.len, "{self:?} of {call:?}");
        }
        assert!(!self.reset, "{call:?} was reset: {self:?}");
        assert_eq!((self.body, self.ended), (body.len, true), "{call:?}");
        let trailer = body.trailers.then(|| call.at.to_string());
        assert_eq!(self.trailers, trailer, "{call:?}");
    }
}
