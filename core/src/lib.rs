//! Frames, metadata, codec and filter traits of sabir: pure, without I/O, runtime or clock.
