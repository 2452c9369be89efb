//! The token that makes each request of a run one of its kind, and the text around it.
//!
//! The first 16 characters of an argument are a token that no other request of the run has, and the backend returns it
//! at the same place. So a proxy that gives a reply to the wrong caller is found out, even though every connection
//! counts its ids from the same start as real clients do.

use crate::protocol::Ticket;

/// Length of the token at the start of argument and result.
pub(crate) const TOKEN: usize = 16;

/// The token: sixteen characters.
pub(crate) type Token = [u8; TOKEN];

/// Sixteen hexadecimal digits: the low 28 bits of the connection's number and 36 of the ticket.
pub(crate) fn token(connection: u32, ticket: Ticket) -> Token {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let token = (u64::from(connection) << 36) | (ticket.0 & 0xf_ffff_ffff);
    std::array::from_fn(|index| DIGITS[(token >> (60 - 4 * index)) as usize & 0xf])
}

/// Text of `length` bytes that does not repeat at a power of two, so that a misplaced piece of it is noticed.
pub(crate) fn filler(length: u64) -> Vec<u8> {
    (0..length).map(|index| b'a' + (index % 23) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_by_connection_and_by_ticket() {
        assert_eq!(&token(0, Ticket(1)), b"0000000000000001");
        assert_eq!(&token(0x7, Ticket(0x99)), b"0000007000000099");
        assert_ne!(token(1, Ticket(0)), token(0, Ticket(1)));
    }
}
