//! The zlib transform, with bounds on what comes out.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::fault::Fault;

/// Inflates `payload` and keeps the first `keep` bytes of what comes out.
///
/// All of the stream is looked at, so that no server gets one that is broken or too long; more than
/// `limit` bytes of it are never made. The bytes kept before an error are returned with it.
pub(super) fn inflate(payload: &[u8], keep: usize, limit: usize) -> (Vec<u8>, Result<(), Fault>) {
    let mut kept = Vec::new();
    let result = inflate_into(payload, &mut kept, keep, limit);
    (kept, result)
}

fn inflate_into(
    payload: &[u8],
    kept: &mut Vec<u8>,
    keep: usize,
    limit: usize,
) -> Result<(), Fault> {
    let mut stream = Decompress::new(true);
    let mut window = vec![0; WINDOW];
    loop {
        let (from, before) = (stream.total_in() as usize, stream.total_out() as usize);
        let rest = payload.get(from..).unwrap_or_default();
        let status = stream.decompress(rest, &mut window, FlushDecompress::None);
        let status = status.map_err(|_| Fault::Zlib)?;
        let made = stream.total_out() as usize - before;
        let wanted = keep.saturating_sub(kept.len()).min(made);
        kept.extend_from_slice(&window[..wanted]);
        if before + made > limit {
            return Err(Fault::Inflated);
        }
        match status {
            Status::StreamEnd => return Ok(()),
            _ if made == 0 && stream.total_in() as usize == from => return Err(Fault::Zlib),
            Status::Ok | Status::BufError => {}
        }
    }
}

/// Deflates `payload`.
pub(super) fn deflate(payload: &[u8]) -> Option<Vec<u8>> {
    let mut stream = Compress::new(Compression::fast(), true);
    let mut out = Vec::new();
    loop {
        out.reserve(WINDOW);
        let rest = payload.get(stream.total_in() as usize..)?;
        match stream.compress_vec(rest, &mut out, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => return Some(out),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

/// Bytes that are made at a time.
const WINDOW: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deflated_is_inflated_up_to_the_limit() {
        let text = b"sabir ".repeat(5_000);
        let small = deflate(&text).unwrap();
        assert!(small.len() < text.len() / 10);
        assert_eq!(
            inflate(&small, usize::MAX, text.len()),
            (text.clone(), Ok(()))
        );
        let (kept, result) = inflate(&small, 6, text.len());
        assert_eq!((&kept[..], result), (&b"sabir "[..], Ok(())));
        let (kept, result) = inflate(&small, 10, text.len() - 1);
        assert_eq!((kept.len(), result), (10, Err(Fault::Inflated)));
        let cut = inflate(&small[..small.len() - 1], 10, text.len());
        assert_eq!(cut.1, Err(Fault::Zlib));
        assert_eq!(inflate(b"nonsense", 10, 10).1, Err(Fault::Zlib));
        assert_eq!(inflate(b"", 10, 10).1, Err(Fault::Zlib));
    }
}
