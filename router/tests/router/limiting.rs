//! limiting
