//! The records of a message in its wire format
//! (<https://protobuf.dev/programming-guides/encoding/>).

/// A field as it was written: once, or one element of it.
pub(super) struct Record<'a> {
    number: u32,
    /// Bytes of all of it.
    len: usize,
    /// The value, without its length where it has one.
    pub(super) payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// The first record of `wire`; `None` if that is none.
    fn first(wire: &'a [u8]) -> Option<Self> {
        let mut rest = wire;
        let key = base128(&mut rest)?;
        let len = match key & 7 {
            0 => {
                let mut after = rest;
                base128(&mut after)?;
                rest.len() - after.len()
            }
            1 => 8,
            2 => base128(&mut rest)?.try_into().ok()?,
            5 => 4,
            _ => return None,
        };
        let payload = rest.get(..len)?;
        Some(Self {
            number: u32::try_from(key >> 3).ok()?,
            len: wire.len() - rest.len() + len,
            payload,
        })
    }
}

/// Records of one field that follow each other, at least one.
pub(super) struct Run<'a> {
    number: u32,
    wire: &'a [u8],
}

impl<'a> Run<'a> {
    /// Takes the first run off `wire`; `None` if that does not begin with a record.
    pub(super) fn take(wire: &mut &'a [u8]) -> Option<Self> {
        let number = Record::first(wire)?.number;
        let records = Records(wire).take_while(|record| record.number == number);
        let len = records.map(|record| record.len).sum();
        let (run, rest) = wire.split_at(len);
        *wire = rest;
        Some(Self { number, wire: run })
    }

    /// The field's number.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// All of it, which is a message with this field alone.
    pub(super) fn wire(&self) -> &'a [u8] {
        self.wire
    }

    pub(super) fn records(&self) -> impl Iterator<Item = Record<'a>> {
        Records(self.wire)
    }

    /// The value of a field that is no list.
    pub(super) fn last(&self) -> Option<&'a [u8]> {
        self.records().last().map(|record| record.payload)
    }
}

/// The records of a message, up to what is none.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let record = Record::first(self.0)?;
        self.0 = &self.0[record.len..];
        Some(record)
    }
}

fn base128(wire: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = wire.split_first()?;
        *wire = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
