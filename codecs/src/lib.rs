//! Protocol codecs of sabir: Dubbo and others.
