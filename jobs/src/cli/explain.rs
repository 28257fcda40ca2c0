//! `inkhouse explain`: what a finding's code means; why a model would be built now, or left alone.

use clap::Args;
use warehouse::{ExplainedInput, Explanation, Forecast, Role};

use super::{Context, environment::EnvironmentArgument};
use crate::{excerpt, failure::Failure, project};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The code of a finding, such as E012, or a model
    #[arg(value_name = "CODE|MODEL")]
    name: String,
    #[command(flatten)]
    of: EnvironmentArgument,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    if is_code(&arguments.name) {
        explain_code(context, &arguments.name)
    } else {
        explain_model(context, arguments).await
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

fn no_such_code(name: &str) -> Failure {
    Failure::config(format!("no such code `{name}`"))
        .with_hint(excerpt::known_hint(name, &warehouse::model::code::ALL))
}

async fn explain_model(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let house = context.house()?;
    let environment = arguments.of.environment;
    // A wrong name is said before a wrong model that has nothing to do with it.
    house.project.select(std::slice::from_ref(&arguments.name))?;
    project::require_sound(house.config.folder(), &house.project)?;
    let raw_schemas = project::raw_schemas();
    let explained = house
        .warehouse
        .explain(&house.project, &raw_schemas, &environment, &arguments.name)
        .await?;
    context.printer.result(text(&explained, environment.name()));
    context.printer.event("explain", machine(&explained, environment.name()));
    Ok(())
}

fn text(explained: &Explanation, environment: &str) -> String {
    let mut lines = vec![format!("{}: {}", explained.model, headline(explained))];
    let stands = match (&explained.stands, explained.release) {
        _ if explained.forecast.is_none() => None,
        (Some(at), Some(release)) => {
            Some(format!("release {release} of `{environment}` has version {} of it", at.version))
        }
        (_, Some(release)) => {
            Some(format!("release {release} of `{environment}` has no table of it"))
        }
        (_, None) => Some(format!("`{environment}` has no release yet")),
    };
    lines.extend(stands.map(|stands| format!("  {stands}")));
    let because = reasons(explained);
    if !because.is_empty() {
        lines.push("because".to_owned());
        lines.extend(because.iter().map(|reason| format!("  {reason}")));
    }
    if !explained.columns.is_empty() {
        lines.push("columns".to_owned());
        lines.extend(explained.columns.iter().map(|change| format!("  {change}")));
    }
    if !explained.inputs.is_empty() {
        lines.push("reads".to_owned());
        lines.extend(explained.inputs.iter().map(|input| format!("  {}", line(input))));
    }
    lines.join("\n")
}

/// What a build would do, in a phrase.
fn headline(explained: &Explanation) -> String {
    match &explained.forecast {
        None => "a view; nothing of it is stored, and what reads it computes it".to_owned(),
        Some(Forecast::Unchanged) => {
            "left alone; SQL, header, engine and inputs are those of its table".to_owned()
        }
        Some(Forecast::Shared) => {
            "left alone; `prod` has the table that it would be computed to".to_owned()
        }
        Some(Forecast::First) => "built whole, for the first time".to_owned(),
        Some(Forecast::Full(_)) => "built whole".to_owned(),
        Some(Forecast::Keys { by, .. }) => match &explained.whole_because {
            Some(input) => format!(
                "built whole; `{input}` changed, which any of its rows may be computed from"
            ),
            None => format!(
                "built for the keys alone that changed, by {}; whole if these have more than a third \
                 of its rows",
                ticked(by)
            ),
        },
        Some(Forecast::MayRun(reads)) => format!(
            "built if what it reads comes out otherwise; {} would be built first, or may be",
            ticked(reads)
        ),
    }
}

fn reasons(explained: &Explanation) -> Vec<String> {
    match &explained.forecast {
        Some(Forecast::Full(because) | Forecast::Keys { because, .. }) => {
            because.iter().map(ToString::to_string).collect()
        }
        _ => Vec::new(),
    }
}

/// An input, and what a change of it means.
fn line(input: &ExplainedInput) -> String {
    let role = match &input.role {
        None => "whole".to_owned(),
        Some(Role::Dimension) => "whole; a change of it builds the whole model".to_owned(),
        Some(Role::Narrowed { by, through }) if through.is_empty() => {
            format!("rows of changed keys, found by {}", ticked(by))
        }
        Some(Role::Narrowed { by, through }) => {
            format!("rows of changed keys, found by {} through {}", ticked(by), ticked(through))
        }
    };
    let changed = if input.change.is_some() { " (changed)" } else { "" };
    let runs = if input.runs { " (built before, or may be)" } else { "" };
    format!("{}: {role}{changed}{runs}", input.name)
}

fn machine(explained: &Explanation, environment: &str) -> serde_json::Value {
    let inputs: Vec<serde_json::Value> = explained.inputs.iter().map(machine_input).collect();
    serde_json::json!({
        "model": explained.model,
        "kind": explained.kind.as_str(),
        "environment": environment,
        "release": explained.release,
        "table": explained.stands.as_ref().map(|at| {
            serde_json::json!({ "environment": at.environment.name(), "version": at.version })
        }),
        "way": match &explained.forecast {
            None => "view",
            Some(Forecast::Keys { .. }) if explained.whole_because.is_some() => "full",
            Some(forecast) => forecast.as_str(),
        },
        "because": reasons(explained),
        "columns": explained.columns,
        "inputs": inputs,
    })
}

fn machine_input(input: &ExplainedInput) -> serde_json::Value {
    let (role, by, through) = match &input.role {
        None => ("whole", &[][..], &[][..]),
        Some(Role::Dimension) => ("dimension", &[][..], &[][..]),
        Some(Role::Narrowed { by, through }) => ("keys", by.as_slice(), through.as_slice()),
    };
    serde_json::json!({
        "name": input.name,
        "role": role,
        "by": by,
        "through": through,
        "change": input.change.as_ref().map(ToString::to_string),
        "runs": input.runs,
    })
}

fn ticked(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use warehouse::{Difference, Kind};

    use super::*;

    #[test]
    fn a_code_is_told_from_a_model() {
        assert!(is_code("E012") && is_code("e040"));
        assert!(!is_code("E") && !is_code("export_012") && !is_code("012"));
        assert_eq!(no_such_code("E0122").hint(), Some("did you mean `E012`?"));
    }

    #[test]
    fn an_explanation_says_what_why_and_from_what() {
        let because = vec![Difference::NewInput("dim_x".to_owned())];
        let narrowed =
            Role::Narrowed { by: vec!["sku".to_owned()], through: vec!["int_b".to_owned()] };
        let input = |name: &str, role, change| ExplainedInput {
            name: name.to_owned(),
            role: Some(role),
            change,
            runs: false,
        };
        let mut explained = Explanation {
            model: "fct_a".to_owned(),
            kind: Kind::Merge,
            release: Some(3),
            stands: None,
            forecast: Some(Forecast::Keys {
                by: vec!["a_id".to_owned()],
                because: because.clone(),
            }),
            whole_because: None,
            columns: Vec::new(),
            inputs: vec![
                input("int_c", narrowed, None),
                input("dim_x", Role::Dimension, because.first().cloned()),
            ],
        };
        assert_eq!(
            text(&explained, "dev"),
            "fct_a: built for the keys alone that changed, by `a_id`; whole if these have more than a \
             third of its rows\n  release 3 of `dev` has no table of it\nbecause\n  it reads `dim_x` \
             now\nreads\n  int_c: rows of changed keys, found by `sku` through `int_b`\n  dim_x: \
             whole; a change of it builds the whole model (changed)"
        );
        assert_eq!(machine(&explained, "dev")["way"], "incremental");
        explained.whole_because = Some("dim_x".to_owned());
        assert!(headline(&explained).starts_with("built whole; `dim_x` changed"));
        assert_eq!(machine(&explained, "dev")["way"], "full");
    }
}
