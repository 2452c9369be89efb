//! Tests of the writer with real files.

use std::fs;

use tempfile::tempdir;

use super::super::tests::record;
use super::super::{AccessLog, Layout};
use super::*;

const LONG: Duration = Duration::from_secs(20);

fn log() -> AccessLog {
    AccessLog::compile(Layout::Text("%METADATA(method)%")).unwrap()
}

fn writer() -> (Writer, Arc<Totals>) {
    let totals = Arc::<Totals>::default();
    let writer = Writer::spawn(totals.clone(), Writer::DEFAULT_MAX_QUEUED_BYTES).unwrap();
    (writer, totals)
}

#[test]
fn lines_of_all_workers_are_written_whole() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.log");
    let path = path.to_str().unwrap();
    let (writer, totals) = writer();
    let log = log();
    thread::scope(|scope| {
        for _ in 0..4 {
            let mut sink = writer.handle().sink(path);
            let log = &log;
            scope.spawn(move || {
                for _ in 0..5000 {
                    sink.write(log, &record());
                }
            });
        }
    });
    assert!(writer.shutdown(LONG));
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.lines().count(), 20_000);
    assert!(text.lines().all(|line| line == "sayHello"));
    assert_eq!((totals.written(), totals.dropped()), (20_000, 0));
}

#[test]
fn reopening_follows_a_rotation() {
    let folder = tempdir().unwrap();
    let [path, rotated] = ["a.log", "a.log.1"].map(|name| folder.path().join(name));
    let (writer, _) = writer();
    let mut sink = writer.handle().sink(path.to_str().unwrap());
    for _ in 0..2 {
        sink.write(&log(), &record());
        sink.flush();
        assert!(writer.flush(LONG));
        if !rotated.exists() {
            fs::rename(&path, &rotated).unwrap();
            writer.reopen();
        }
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "sayHello\n");
    assert_eq!(fs::read_to_string(&rotated).unwrap(), "sayHello\n");
}

#[test]
fn a_full_queue_drops_whole_lines_and_counts_them() {
    let totals = Arc::<Totals>::default();
    let writer = Writer::spawn(totals.clone(), 10).unwrap();
    let mut sink = writer.handle().sink("/dev/null");
    for _ in 0..100 {
        sink.write(&log(), &record());
    }
    sink.flush();
    assert!(sink.is_empty());
    assert!(writer.flush(LONG));
    assert_eq!((totals.written(), totals.dropped()), (0, 100));
}

#[test]
fn a_file_that_cannot_be_opened_is_tried_again_after_a_reopen() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("new/a.log");
    let (writer, totals) = writer();
    let mut sink = writer.handle().sink(path.to_str().unwrap());
    for _ in 0..2 {
        sink.write(&log(), &record());
        sink.flush();
        assert!(writer.flush(LONG));
    }
    assert_eq!(totals.failed(), 2);
    fs::create_dir(folder.path().join("new")).unwrap();
    writer.reopen();
    sink.write(&log(), &record());
    drop(sink);
    assert!(writer.shutdown(LONG));
    assert_eq!(totals.written(), 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), "sayHello\n");
}

#[test]
fn what_comes_after_the_shutdown_is_counted() {
    let (writer, totals) = writer();
    let mut sink = writer.handle().sink("/dev/null");
    assert!(writer.shutdown(LONG));
    sink.write(&log(), &record());
    sink.flush();
    assert_eq!((totals.written(), totals.dropped()), (0, 1));
}

#[test]
fn a_line_cut_by_an_error_does_not_spoil_the_next() {
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
    }
    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room - self.bytes.len());
            self.bytes.extend_from_slice(&bytes[..count]);
            match count {
                0 => Err(io::ErrorKind::StorageFull.into()),
                count => Ok(count),
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut disk = Disk {
        bytes: Vec::new(),
        room: 3,
    };
    let (written, error) = write_all(&mut disk, b"one\ntwo\n").unwrap_err();
    assert_eq!((written, error.kind()), (3, io::ErrorKind::StorageFull));
}

#[test]
fn a_busy_log_reuses_its_buffers() {
    let (writer, totals) = writer();
    let mut sink = writer.handle().sink("/dev/null");
    let log = log();
    let mut write = |chunks| {
        for _ in 0..chunks {
            for _ in 0..100 {
                sink.write(&log, &record());
            }
            sink.flush();
            assert!(writer.flush(LONG));
        }
    };
    write(5);
    let allocations = allocation_counter::measure(|| write(20));
    assert_eq!(totals.written(), 2500);
    // Asking the writer whether it is done allocates; lines do not.
    assert!(allocations.count_total < 80, "{allocations:?}");
}
