//! Access logs: their files, and what their lines say.

use std::sync::Arc;

use sabir_proto::config::v1;
use sabir_proto::config::v1::access_log::AccessLogFormat;
use sabir_proto::path::FieldPath;

use super::problem::{Fault, Problems};
use super::scalar::object;
use crate::config::resolved::LogFile;
use crate::telemetry::access_log::{AccessLog, Layout};

/// The logs of a listener.
pub(super) fn logs(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    logs: &[v1::AccessLog],
) -> Vec<Arc<LogFile>> {
    let logs = logs.iter().enumerate();
    logs.filter_map(|(i, log)| one(problems, &path.index(i), log))
        .map(Arc::new)
        .collect()
}

fn one(problems: &mut Problems, path: &FieldPath<'_>, log: &v1::AccessLog) -> Option<LogFile> {
    if log.path.is_empty() {
        problems.add(&path.field("path"), Fault::Required);
    }
    let (field, compiled) = match &log.access_log_format {
        None => ("format", AccessLog::compile(Layout::Default)),
        Some(AccessLogFormat::Format(format)) => {
            ("format", AccessLog::compile(Layout::Text(format)))
        }
        Some(AccessLogFormat::JsonFormat(format)) => {
            let format = object(format);
            ("json_format", AccessLog::compile(Layout::Json(&format)))
        }
    };
    let error = match compiled {
        Ok(format) => {
            let path = log.path.as_str().into();
            return Some(LogFile { path, format });
        }
        Err(error) => error,
    };
    let dot = if error.field.is_empty() { "" } else { "." };
    let place = format!("{}{dot}{}", path.field(field), error.field);
    let (at, problem) = (error.at, error.problem);
    problems.at(place, Fault::LogFormat { at, problem });
    None
}
