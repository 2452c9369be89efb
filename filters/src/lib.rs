//! Protocol-agnostic filters of sabir.
