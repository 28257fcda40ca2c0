//! `inkhouse explain`: what a finding's code means.

use clap::Args;

use super::Context;
use crate::{excerpt, failure::Failure};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The code of a finding, such as E012
    #[arg(value_name = "NAME")]
    name: String,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    if is_code(&arguments.name) {
        explain_code(context, &arguments.name)
    } else {
        explain_model(context, &arguments.name)
    }
}

/// Whether it is written as codes are: `E` and digits.
fn is_code(name: &str) -> bool {
    let digits = name.strip_prefix(['E', 'e']);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

fn explain_code(context: &Context, code: &str) -> Result<(), Failure> {
    let code = code.to_uppercase();
    let Some(page) = warehouse::page(&code) else {
        return Err(no_such_code(&code));
    };
    context.printer.result(page.trim_end());
    context.printer.event("explain", serde_json::json!({ "code": code, "text": page }));
    Ok(())
}

/// Why a model will be built, or will not.
fn explain_model(_context: &Context, name: &str) -> Result<(), Failure> {
    Err(no_such_code(name))
}

fn no_such_code(name: &str) -> Failure {
    Failure::config(format!("no such code `{name}`"))
        .with_hint(excerpt::known_hint(name, &warehouse::model::code::ALL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_told_from_a_model() {
        assert!(is_code("E012") && is_code("e040"));
        assert!(!is_code("E") && !is_code("export_012") && !is_code("012"));
        assert_eq!(no_such_code("E0122").hint(), Some("did you mean `E012`?"));
    }
}
