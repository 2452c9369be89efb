//! Compiles the JSON form: a flat list of pieces, as for text.

use serde_json::{Map, Value};

use super::parse::{self, Error, Problem};
use super::{Piece, Style};

/// Compiles an object whose strings may hold operators.
pub(super) fn object(object: &Map<String, Value>) -> Result<Vec<Piece>, Error> {
    let mut compiler = Compiler::default();
    compiler.object(object, 0)?;
    compiler.flush();
    Ok(compiler.pieces)
}

#[derive(Default)]
struct Compiler {
    pieces: Vec<Piece>,
    literal: String,
    /// Path of the value at hand, as errors say it.
    path: String,
}

impl Compiler {
    fn object(&mut self, object: &Map<String, Value>, depth: usize) -> Result<(), Error> {
        self.literal.push('{');
        for (index, (key, value)) in object.iter().enumerate() {
            self.separate(index);
            self.literal
                .push_str(&Value::from(key.as_str()).to_string());
            self.literal.push(':');
            let dot = if self.path.is_empty() { "" } else { "." };
            self.within(&format!("{dot}{key}"), value, depth)?;
        }
        self.literal.push('}');
        Ok(())
    }

    fn list(&mut self, list: &[Value], depth: usize) -> Result<(), Error> {
        self.literal.push('[');
        for (index, value) in list.iter().enumerate() {
            self.separate(index);
            self.within(&format!("[{index}]"), value, depth)?;
        }
        self.literal.push(']');
        Ok(())
    }

    /// Compiles `value`, which is one step from where the path ends.
    fn within(&mut self, step: &str, value: &Value, depth: usize) -> Result<(), Error> {
        let end = self.path.len();
        self.path.push_str(step);
        self.value(value, depth + 1)?;
        self.path.truncate(end);
        Ok(())
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(self.error(0, Problem::TooDeep));
        }
        match value {
            Value::Object(object) => self.object(object, depth),
            Value::Array(list) => self.list(list, depth),
            Value::String(format) => self.string(format),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                self.literal.push_str(&value.to_string());
                Ok(())
            }
        }
    }

    fn string(&mut self, format: &str) -> Result<(), Error> {
        let pieces = parse::text(format, Style::JsonPart);
        let pieces = pieces.map_err(|e| self.error(e.at, e.problem))?;
        self.flush();
        if let [Piece::Value(operator, _)] = &pieces[..] {
            let piece = Piece::Value(operator.clone(), Style::Json);
            self.pieces.push(piece);
            return Ok(());
        }
        self.pieces.push(Piece::Literal(Box::new(*b"\"")));
        self.pieces.extend(pieces);
        self.literal.push('"');
        Ok(())
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.literal.push(',');
        }
    }

    fn flush(&mut self) {
        if !self.literal.is_empty() {
            let literal = std::mem::take(&mut self.literal);
            self.pieces
                .push(Piece::Literal(literal.into_bytes().into()));
        }
    }

    fn error(&self, at: usize, problem: Problem) -> Error {
        Error {
            field: self.path.clone(),
            at,
            problem,
        }
    }
}

const MAX_DEPTH: usize = 16;
