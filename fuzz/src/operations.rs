//! What a driver does to a connection, in any order.

use sabir_core::kit::script::Script;
use sabir_core::protocol::Role;

use crate::subjects::{Name, subject};

/// Input: role and setting, then one choice after the other.
pub fn of(name: Name, input: &[u8]) {
    let mut script = Script::new(input);
    let setting = script.byte();
    let role = if setting < 128 {
        Role::Server
    } else {
        Role::Client
    };
    subject(name, usize::from(setting & 127)).stands_any_order(role, &mut script);
}

/// The same of one of the message protocols, which the first byte chooses.
pub fn of_messages(input: &[u8]) {
    let (Some(first), rest) = (input.first(), &input[input.len().min(1)..]) else {
        return;
    };
    let names = [Name::Thrift, Name::Dubbo, Name::Motan2];
    of(names[usize::from(*first) % names.len()], rest);
}
