//! RFC 7541 appendix C, and what an encoder writes read back.

use bytes::Bytes;
use proptest::prelude::*;
use sabir_codecs::http2::hpack::{
    DecodeError, Decoder, Encoder, FieldList, Representation, fields,
};

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Vec<String> {
    let mut list = FieldList::new(1 << 16);
    decoder.decode(block, &mut list).unwrap();
    let wire = list.into_wire();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    fields(&wire)
        .map(|f| format!("{}: {}", text(f.name), text(f.value)))
        .collect()
}

#[test]
fn c2_single_fields() {
    let mut decoder = Decoder::default();
    let literal = unhex("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572");
    assert_eq!(
        decode(&mut decoder, &literal),
        ["custom-key: custom-header"]
    );
    assert_eq!(decode(&mut decoder, &[0xbe]), ["custom-key: custom-header"]);
    let plain = unhex("040c 2f73 616d 706c 652f 7061 7468");
    assert_eq!(decode(&mut decoder, &plain), [":path: /sample/path"]);
    let never = unhex("1008 7061 7373 776f 7264 0673 6563 7265 74");
    let mut list = FieldList::new(1 << 16);
    decoder.decode(&never, &mut list).unwrap();
    let wire = list.into_wire();
    assert!(fields(&wire).next().unwrap().sensitive);
    assert_eq!(decode(&mut decoder, &[0x82]), [":method: GET"]);
}

const REQUESTS: [&[&str]; 3] = [
    &[
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
    ],
    &[
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
        "cache-control: no-cache",
    ],
    &[
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ],
];

#[test]
fn c3_and_c4_requests_without_and_with_huffman() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let coded = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    for blocks in [plain, coded] {
        let mut decoder = Decoder::default();
        for (block, request) in blocks.iter().zip(REQUESTS) {
            assert_eq!(decode(&mut decoder, &unhex(block)), request);
        }
    }
}

#[test]
fn c5_and_c6_responses_with_eviction() {
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a \
         3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 \
         677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 \
         553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ];
    let coded = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e \
         919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 \
         821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed \
         4ee5 b106 3d50 07",
    ];
    let responses: [&[&str]; 3] = [
        &[
            ":status: 302",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com",
        ],
        &[
            ":status: 307",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com",
        ],
        &[
            ":status: 200",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:22 GMT",
            "location: https://www.example.com",
            "content-encoding: gzip",
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ],
    ];
    for blocks in [plain, coded] {
        let mut decoder = Decoder::new(256);
        for (block, response) in blocks.iter().zip(responses) {
            assert_eq!(decode(&mut decoder, &unhex(block)), response);
        }
    }
}

#[test]
fn blocks_that_break_the_tables_are_errors() {
    for (block, error) in [
        ("80", DecodeError::InvalidIndex),
        ("be", DecodeError::InvalidIndex),
        ("7f00", DecodeError::InvalidIndex),
        ("8220", DecodeError::InvalidTableSize),
        ("3fe21f", DecodeError::InvalidTableSize),
        ("00016102", DecodeError::Truncated),
        ("00", DecodeError::Truncated),
        ("ffffffffffff", DecodeError::IntegerTooLarge),
        ("000181", DecodeError::Truncated),
        ("000161 84ffffffff", DecodeError::InvalidHuffman),
    ] {
        let decoded = Decoder::default().decode(&unhex(block), &mut FieldList::new(1000));
        assert_eq!(decoded, Err(error), "{block}");
    }
}

#[test]
fn sizes_of_the_table_change_before_the_first_field() {
    let mut decoder = Decoder::default();
    assert_eq!(
        decode(&mut decoder, &unhex("20 3fe11f 82")),
        [":method: GET"]
    );
}

#[test]
fn a_smaller_table_is_announced_with_its_least_size() {
    let mut encoder = Encoder::default();
    encoder.set_max_table(0);
    encoder.set_max_table(100);
    let mut block = Vec::new();
    encoder.begin(&mut block);
    assert_eq!(block, unhex("20 3f45"));
    encoder.begin(&mut block);
    assert_eq!(block.len(), 3, "it is said once");
}

#[test]
fn what_comes_again_becomes_an_index_and_what_is_secret_never() {
    let mut encoder = Encoder::default();
    let mut size = |how| {
        let mut block = Vec::new();
        encoder.encode(b"x-tenant", b"blue-and-green", how, &mut block);
        block.len()
    };
    let sizes: Vec<_> = (0..3).map(|_| size(Representation::Indexed)).collect();
    assert!(sizes[0] > 10 && sizes[2] == 1, "{sizes:?}");
    assert!(size(Representation::NeverIndexed) > 5);
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        blocks in prop::collection::vec(
            prop::collection::vec(("[a-d]{1,3}", "[ -~]{0,40}", 0..4u8), 0..20),
            1..8,
        ),
        sizes in prop::collection::vec(0..5_000usize, 8),
    ) {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        for (pairs, size) in blocks.iter().zip(sizes) {
            encoder.set_max_table(size);
            let mut block = Vec::new();
            encoder.begin(&mut block);
            for (name, value, how) in pairs {
                let how = match how {
                    0 => Representation::Plain,
                    1 => Representation::NeverIndexed,
                    _ => Representation::Indexed,
                };
                encoder.encode(name.as_bytes(), value.as_bytes(), how, &mut block);
            }
            let mut list = FieldList::new(1 << 20);
            decoder.decode(&block, &mut list).unwrap();
            let wire: Bytes = list.into_wire();
            let got: Vec<_> = fields(&wire).map(|f| (f.name, f.value)).collect();
            let sent: Vec<_> = pairs.iter().map(|(n, v, _)| (n.as_bytes(), v.as_bytes())).collect();
            prop_assert_eq!(got, sent);
        }
    }

    #[test]
    fn any_octets_are_fields_or_an_error(block in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut list = FieldList::new(1_000);
        let _: Result<_, _> = Decoder::default().decode(&block, &mut list);
        prop_assert!(fields(&list.into_wire()).count() <= 1_000 / 32);
    }
}
