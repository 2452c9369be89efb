//! The Huffman code of strings.
//!
//! The code is canonical, so that the lengths of its words say everything; the words, and a machine
//! that decodes four bits a step, are worked out when this is compiled.
//!
//! Specification: RFC 7541 §5.2 and appendix B.

use super::decoder::DecodeError;

/// Appends what `coded` stands for to `text`.
pub(super) fn decode(coded: &[u8], text: &mut Vec<u8>) -> Result<(), DecodeError> {
    let (mut state, mut may_end) = (0, true);
    for octet in coded {
        for nibble in [octet >> 4, octet & 0xf] {
            let step = MACHINE[state][usize::from(nibble)];
            if step.flags & FAILS != 0 {
                return Err(DecodeError::InvalidHuffman);
            }
            if step.flags & EMITS != 0 {
                text.push(step.symbol);
            }
            may_end = step.flags & MAY_END != 0;
            state = usize::from(step.next);
        }
    }
    // RFC 7541 §5.2: padding is at most seven bits, all of them one.
    may_end.then_some(()).ok_or(DecodeError::InvalidHuffman)
}

/// Appends `text` in the code to `coded`.
pub(super) fn encode(text: &[u8], coded: &mut Vec<u8>) {
    let (mut bits, mut held) = (0u64, 0);
    for &octet in text {
        let Word { code, len } = WORDS[usize::from(octet)];
        bits = bits << len | u64::from(code);
        held += u32::from(len);
        while held >= 8 {
            held -= 8;
            coded.push((bits >> held) as u8);
        }
    }
    if held > 0 {
        let padding = 8 - held;
        coded.push((bits << padding) as u8 | ((1 << padding) - 1) as u8);
    }
}

/// Length of `text` in the code, in octets.
pub(super) fn encoded_len(text: &[u8]) -> usize {
    let bits = text.iter().map(|&o| usize::from(LENGTHS[usize::from(o)]));
    bits.sum::<usize>().div_ceil(8)
}

#[derive(Clone, Copy)]
struct Word {
    code: u32,
    len: u8,
}

/// What four bits do in a state, which is an inner node of the code's tree.
#[derive(Clone, Copy)]
struct Step {
    next: u8,
    symbol: u8,
    flags: u8,
}

const EMITS: u8 = 1;
const MAY_END: u8 = 2;
const FAILS: u8 = 4;

const END_OF_STRING: usize = 256;
const SYMBOLS: usize = 257;
const LONGEST: u8 = 30;

/// Inner nodes of a tree of so many leaves.
const STATES: usize = SYMBOLS - 1;

/// Marks a leaf among the children of a node.
const LEAF: u16 = 0x8000;

static WORDS: [Word; SYMBOLS] = words();
static MACHINE: [[Step; 16]; STATES] = machine();

const fn words() -> [Word; SYMBOLS] {
    let mut words = [Word { code: 0, len: 0 }; SYMBOLS];
    let (mut code, mut len) = (0u32, 1);
    while len <= LONGEST {
        code <<= 1;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] == len {
                words[symbol] = Word { code, len };
                code += 1;
            }
            symbol += 1;
        }
        len += 1;
    }
    words
}

/// The children of each inner node: another one, or a leaf.
const fn tree() -> [[u16; 2]; STATES] {
    let words = words();
    let mut nodes = [[0u16; 2]; STATES];
    let (mut used, mut symbol) = (1, 0);
    while symbol < SYMBOLS {
        let Word { code, len } = words[symbol];
        let (mut node, mut left) = (0, len);
        while left > 1 {
            left -= 1;
            let bit = (code >> left & 1) as usize;
            if nodes[node][bit] == 0 {
                nodes[node][bit] = used;
                used += 1;
            }
            node = nodes[node][bit] as usize;
        }
        nodes[node][(code & 1) as usize] = LEAF | symbol as u16;
        symbol += 1;
    }
    nodes
}

const fn machine() -> [[Step; 16]; STATES] {
    let nodes = tree();
    let mut machine = [[Step {
        next: 0,
        symbol: 0,
        flags: FAILS,
    }; 16]; STATES];
    let padding = padding(&nodes);
    let mut state = 0;
    while state < STATES {
        let mut nibble = 0;
        while nibble < 16 {
            machine[state][nibble] = step(&nodes, &padding, state, nibble);
            nibble += 1;
        }
        state += 1;
    }
    machine
}

const fn step(
    nodes: &[[u16; 2]; STATES],
    padding: &[bool; STATES],
    state: usize,
    nibble: usize,
) -> Step {
    let mut step = Step {
        next: 0,
        symbol: 0,
        flags: 0,
    };
    let (mut node, mut left) = (state, 4);
    while left > 0 {
        left -= 1;
        let child = nodes[node][nibble >> left & 1];
        if child & LEAF == 0 {
            node = child as usize;
            continue;
        }
        let symbol = (child & !LEAF) as usize;
        if symbol == END_OF_STRING {
            step.flags = FAILS;
            return step;
        }
        // The shortest word has five bits, so that one step meets one leaf at most.
        step.flags |= EMITS;
        step.symbol = symbol as u8;
        node = 0;
    }
    step.next = node as u8;
    if padding[node] {
        step.flags |= MAY_END;
    }
    step
}

/// Nodes that at most seven ones lead to from the root.
const fn padding(nodes: &[[u16; 2]; STATES]) -> [bool; STATES] {
    let mut padding = [false; STATES];
    let (mut node, mut ones) = (0, 0);
    while ones <= 7 {
        padding[node] = true;
        node = nodes[node][1] as usize;
        ones += 1;
    }
    padding
}

/// Bits of the word for each octet, and for the end of the string.
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &[u8]) -> Vec<u8> {
        let (mut coded, mut back) = (Vec::new(), Vec::new());
        encode(text, &mut coded);
        assert_eq!(coded.len(), encoded_len(text));
        decode(&coded, &mut back).unwrap();
        assert_eq!(back, text);
        coded
    }

    #[test]
    fn the_examples_of_the_specification() {
        let coded = round(b"www.example.com");
        assert_eq!(coded, b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff");
        assert_eq!(round(b"no-cache"), b"\xa8\xeb\x10\x64\x9c\xbf");
    }

    #[test]
    fn every_octet_comes_back() {
        round(&(0..=255).collect::<Vec<u8>>());
        for octet in 0..=255 {
            round(&[octet]);
        }
    }

    #[test]
    fn wrong_padding_and_the_end_of_string_are_refused() {
        for coded in [
            &b"\xff"[..],        // eight ones
            b"\xff\xff\xff\xff", // the end of the string
            b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff\xff",
            b"\x18", // padding of zeros
        ] {
            let decoded = decode(coded, &mut Vec::new());
            assert_eq!(decoded, Err(DecodeError::InvalidHuffman), "{coded:x?}");
        }
    }
}
