//! The suite of all codecs, for each transport with each protocol.

use sabir_codecs::thrift::{Codec, Options, Transport, Values};
use sabir_core::kit::Samples;

use crate::messages::*;
use crate::{LONGEST, only};

/// Runs the suite as a module of its own.
macro_rules! suite {
    ($name:ident, $codec:expr, $requests:expr, $responses:expr) => {
        mod $name {
            use super::*;

            sabir_core::codec_kit!(
                $codec,
                Samples {
                    requests: $requests,
                    responses: $responses,
                    others: vec![],
                },
                |f: &mut dyn FnMut()| allocation_counter::measure(f).bytes_max
            );
        }
    };
}

suite!(
    unframed_binary,
    only(Transport::Unframed, Values::Binary),
    all_unframed(&[&BINARY_CALLS[..], &LAX_CALLS].concat()),
    all_unframed(&[&BINARY_ANSWERS[..], &LAX_ANSWERS].concat())
);
suite!(
    unframed_compact,
    only(Transport::Unframed, Values::Compact),
    all_unframed(&COMPACT_CALLS),
    all_unframed(&COMPACT_ANSWERS)
);
suite!(
    framed_binary,
    only(Transport::Framed, Values::Binary),
    all_framed(&[&BINARY_CALLS[..], &LAX_CALLS].concat()),
    all_framed(&[&BINARY_ANSWERS[..], &LAX_ANSWERS].concat())
);
suite!(
    framed_compact,
    only(Transport::Framed, Values::Compact),
    all_framed(&COMPACT_CALLS),
    all_framed(&COMPACT_ANSWERS)
);
suite!(
    header_binary,
    only(Transport::Header, Values::Binary),
    all_in_header("00", &BINARY_CALLS),
    all_in_header("00", &BINARY_ANSWERS)
);
suite!(
    header_compact,
    only(Transport::Header, Values::Compact),
    all_in_header("02", &COMPACT_CALLS),
    all_in_header("02", &COMPACT_ANSWERS)
);
suite!(
    any,
    Codec::default(),
    vec![
        unframed(T1),
        unframed(T3),
        framed(T1),
        framed(T2),
        framed(T3),
        unframed(T6),
        unframed(T7)
    ],
    vec![unframed(T5), unframed(T5C), framed(T5), framed(T5C)]
);
suite!(
    validating,
    Codec::new(
        Options {
            validate: true,
            ..Options::default()
        },
        LONGEST
    ),
    vec![framed(T1), framed(T2), framed(T3), unframed(T6)],
    vec![framed(T5), framed(T5C)]
);

/// What lies behind zlib cannot be the same bytes again once its id was changed; the rest holds.
mod header_zlib {
    use super::*;

    fn samples() -> Samples {
        let mut requests = all_deflated("00", &BINARY_CALLS);
        requests.extend(all_deflated("02", &COMPACT_CALLS));
        requests.push(unframed(T9));
        let mut responses = all_deflated("00", &BINARY_ANSWERS);
        responses.extend(all_deflated("02", &COMPACT_ANSWERS));
        Samples {
            requests,
            responses,
            others: vec![],
        }
    }

    #[test]
    fn every_split_gives_the_same_events() {
        sabir_core::kit::every_split_gives_the_same_events(Codec::default, &samples());
    }

    #[test]
    fn mutation_keeps_the_rest() {
        sabir_core::kit::mutation_keeps_the_rest(Codec::default, &samples());
    }

    #[test]
    fn truncation_waits() {
        sabir_core::kit::truncation_waits(Codec::default, &samples());
    }

    #[test]
    fn replies_parse_back() {
        sabir_core::kit::replies_parse_back(Codec::default, &samples());
    }

    #[test]
    fn corruption_is_an_error_or_a_message() {
        let measure = |f: &mut dyn FnMut()| allocation_counter::measure(f).bytes_max;
        let make = || only(Transport::Header, Values::Binary);
        sabir_core::kit::corruption_is_an_error_or_a_message(make, &samples(), measure);
    }
}
