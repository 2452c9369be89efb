//! The table that the demo prints, row by row as things happen.

use std::fmt;
use std::io::{self, Write};

use super::load::Tally;
use super::provider::NAMES;

/// Rows that were printed, and what they expected.
#[derive(Debug)]
pub(super) struct Table<W> {
    out: W,
    calls: u64,
    expected: usize,
    wrong: usize,
}

/// A row.
#[derive(Debug)]
struct Row<'a> {
    what: &'a str,
    cells: [u64; 5],
    verdict: Verdict,
    remark: &'a str,
}

/// Whether what happened is what should have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It is.
    Right,
    /// It is not.
    Wrong,
}

impl Verdict {
    /// Right if `expected` holds.
    pub(super) fn of(expected: bool) -> Self {
        if expected { Self::Right } else { Self::Wrong }
    }
}

impl<W: Write> Table<W> {
    /// An empty table that is printed to `out`.
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            calls: 0,
            expected: 0,
            wrong: 0,
        }
    }

    /// Prints the names of the columns.
    ///
    /// # Errors
    /// The system's, here and below.
    pub(super) fn head(&mut self) -> io::Result<()> {
        let [v1, v2, batch] = NAMES;
        write!(self.out, "\n{:WIDTH$}", "what was sent")?;
        for name in ["calls", v1, v2, batch, "failed"] {
            write!(self.out, "{name:>CELL$}")?;
        }
        writeln!(self.out)
    }

    /// Prints text.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// Prints what became of calls.
    pub(super) fn row(
        &mut self,
        what: &str,
        tally: &Tally,
        verdict: Verdict,
        remark: &str,
    ) -> io::Result<()> {
        self.count(verdict);
        self.calls += tally.calls;
        let [v1, v2, batch] = tally.answered;
        let cells = [tally.calls, v1, v2, batch, tally.failed()];
        let row = Row {
            what,
            cells,
            verdict,
            remark,
        };
        writeln!(self.out, "{row}")?;
        if verdict == Verdict::Wrong {
            for failure in tally.failures.iter().take(SHOWN) {
                writeln!(self.out, "    {failure}")?;
            }
        }
        Ok(())
    }

    /// Prints something else that was expected.
    pub(super) fn line(&mut self, what: &str, verdict: Verdict) -> io::Result<()> {
        self.count(verdict);
        writeln!(self.out, "  {what:COLUMNS$}  {verdict}")
    }

    /// Calls of all rows.
    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    /// How many expectations there were.
    pub(super) fn expected(&self) -> usize {
        self.expected
    }

    /// How many of them were wrong.
    pub(super) fn wrong(&self) -> usize {
        self.wrong
    }

    fn count(&mut self, verdict: Verdict) {
        self.expected += 1;
        if verdict == Verdict::Wrong {
            self.wrong += 1;
        }
    }
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = WIDTH - MARGIN;
        write!(f, "{:MARGIN$}{:width$}", "", self.what)?;
        for cell in self.cells {
            match cell {
                0 => write!(f, "{:>CELL$}", "-")?,
                count => write!(f, "{count:>CELL$}")?,
            }
        }
        write!(f, "  {}", self.verdict)?;
        match self.remark {
            "" => Ok(()),
            remark => write!(f, "  {remark}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Right => "ok",
            Self::Wrong => "WRONG",
        })
    }
}

/// Width of the first column, with its margin.
const WIDTH: usize = 30;
/// Width before it.
const MARGIN: usize = 2;
/// Width of the others.
const CELL: usize = 8;
/// Width of all of them but the margin.
const COLUMNS: usize = WIDTH - MARGIN + 5 * CELL;
/// Failures that are shown of a row that is wrong.
const SHOWN: usize = 3;

#[cfg(test)]
mod tests {
    use super::super::message::CallError;
    use super::*;

    #[test]
    fn columns_are_aligned_and_wrong_rows_say_why() {
        let tally = Tally {
            calls: 10,
            answered: [9, 0, 0],
            mistaken: 0,
            failures: vec![CallError::Lost],
        };
        let mut table = Table::new(Vec::new());
        table.head().unwrap();
        table.row("users", &tally, Verdict::Right, "note").unwrap();
        table.row("users", &tally, Verdict::Wrong, "").unwrap();
        table.line("more", Verdict::of(true)).unwrap();
        let text = String::from_utf8(table.out).unwrap();
        let lines: Vec<_> = text.lines().skip(1).collect();
        let [head, right, wrong, why, line] = lines[..] else {
            panic!("{text}");
        };
        assert!(head.ends_with("failed") && right.starts_with("  users   "));
        assert!(right.ends_with("      10       9       -       -       1  ok  note"));
        assert!(wrong.ends_with("1  WRONG") && line.ends_with("  ok"));
        assert_eq!(why, "    the connection to the proxy was lost");
        let column = head.len() + 2;
        assert_eq!(
            (right.find("ok"), line.find("ok")),
            (Some(column), Some(column))
        );
    }

    #[test]
    fn what_does_not_hold_is_counted() {
        let mut table = Table::new(Vec::new());
        let tally = Tally {
            calls: 3,
            ..Tally::default()
        };
        table.row("a", &tally, Verdict::of(true), "").unwrap();
        table.line("b", Verdict::of(false)).unwrap();
        let counted = (table.calls(), table.expected(), table.wrong());
        assert_eq!(counted, (3, 2, 1));
    }
}
