//! The laws of lineage over the house's own models, and that every form of it can be read.

use std::{collections::BTreeSet, path::Path};

use warehouse::lineage::{Class, Edges, ProjectDiff};

use super::*;
use crate::project;

fn house() -> (Project, Lineage) {
    let models = project::models(Path::new("nowhere")).unwrap();
    let lineage = models.lineage(&project::raw_schemas()).unwrap();
    assert!(lineage.unplanned().is_empty(), "{:?}", lineage.unplanned());
    (models, lineage)
}

fn ask<'a>(project: &'a Project, lineage: &'a Lineage, target: &str) -> Question<'a> {
    let node = lineage.find(target).unwrap();
    let directions = vec![Direction::Up, Direction::Down];
    Question { project, lineage, node, directions, depth: None }
}

#[test]
fn no_edge_names_what_does_not_exist_or_is_not_read() {
    let (models, lineage) = house();
    let mut faults = Vec::new();
    for table in lineage.models() {
        let reads: BTreeSet<&str> = models
            .model(&table.name)
            .map(|model| model.reads().chain(model.reads_raw()).collect())
            .unwrap();
        let inputs: BTreeSet<&str> = table.inputs.iter().map(String::as_str).collect();
        assert_eq!(inputs, reads, "{}", table.name);
        let columns = table.columns.iter().map(|column| (column.name.as_str(), &column.edges));
        for (name, edges) in columns.chain([("rows", &table.rows)]) {
            let edges: &Edges = edges;
            for edge in edges {
                let known = lineage.find(&match edge.source.column {
                    Some(_) => edge.source.to_string(),
                    None => edge.source.table.to_string(),
                });
                if known.is_err() || !inputs.contains(&*edge.source.table) {
                    faults.push(format!("{}.{name}: {}", table.name, edge.source));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_column_comes_from_somewhere_or_is_a_literal_in_the_sql() {
    let (_, lineage) = house();
    let mut literals = Vec::new();
    for table in lineage.models() {
        for column in table.columns.iter().filter(|column| column.edges.is_empty()) {
            literals.push(format!("{}.{}", table.name, column.name));
        }
    }
    // Looked at by hand: each is a literal in every branch of its model.
    let expected = [
        "stg_printify__order_lines.currency_code",
        "stg_printify__orders.currency_code",
        "stg_printify__product_variants.currency_code",
        "int_supplier_prices_listed.source_system",
        "int_order_line_amounts_unioned.component",
        "int_order_line_amounts_unioned.event_type",
        "int_order_line_amounts_unioned.source_system",
        "int_order_amounts_unioned.component",
        "int_order_amounts_unioned.event_type",
        "int_order_amounts_unioned.source_system",
        "int_printful_costs_allocated.basis",
        "int_printful_costs_allocated.source_system",
        "int_printify_costs_allocated.basis",
        "int_printify_costs_allocated.source_system",
    ];
    literals.sort();
    let mut expected = expected.map(ToOwned::to_owned);
    expected.sort();
    assert_eq!(literals, expected);
}

#[test]
fn money_is_followed_from_the_export_to_the_vendors_field() {
    let (models, lineage) = house();
    let question = ask(&models, &lineage, "fct_order_lines.cm3_amount");
    let walk = question.walk();
    let names: Vec<String> = walk.nodes.keys().map(ToString::to_string).collect();
    assert!(names.iter().any(|name| name.starts_with("raw.shopify.orders.")), "{names:#?}");
    let down: Vec<&Node> =
        walk.nodes.iter().filter(|(_, away)| **away > 0).map(|(node, _)| node).collect();
    assert!(down.iter().any(|node| node.table() == "agg_design_family_daily"), "{down:#?}");
    let table = lineage.table("stg_shopify__orders").unwrap();
    let edges = &table.column("total_amount").unwrap().edges;
    let edge = edges.iter().next().unwrap();
    assert_eq!(edge.class, Class::Copy);
    assert_eq!(edge.source.to_string(), "raw.shopify.orders.totalPriceSet.shopMoney.amount");
}

#[test]
fn a_tree_names_the_class_of_every_edge_and_unfolds_nothing_twice() {
    let (models, lineage) = house();
    let mut question = ask(&models, &lineage, "stg_shopify__shops");
    question.depth = Some(1);
    let text = question.text(Format::Text);
    assert!(text.starts_with("stg_shopify__shops  staging, "), "{text}");
    assert!(text.contains("\ncomes from\n└─ raw.shopify.shop  copy "), "{text}");
    let text = ask(&models, &lineage, "klaviyo_profiles").text(Format::Text);
    assert!(text.lines().count() < 300, "{}", text.lines().count());
    assert!(text.contains("(see above)"), "{text}");
    let text = ask(&models, &lineage, "raw.shopify.orders.id").text(Format::Text);
    assert!(text.contains("\ncomes from\na vendor\n"), "{text}");
}

#[test]
fn a_picture_is_sound_whatever_the_names_are() {
    let walk = Walk {
        nodes: [("a\"b\\", "c\nd"), ("e|f]", "<script>#`;")]
            .iter()
            .enumerate()
            .map(|(i, (table, column))| {
                let node = Node::Place(Source::column(table, column));
                (node, i64::try_from(i).unwrap())
            })
            .collect(),
        links: vec![Link {
            from: Node::Place(Source::column("a\"b\\", "c\nd")),
            to: Node::Place(Source::column("e|f]", "<script>#`;")),
            classes: [(Class::Filter, 1)].into(),
        }],
    };
    let dot = diagram::dot(&walk);
    assert!(dot.contains(r#"label="a\"b\\";"#) && dot.contains(r#"[label="c\nd"];"#), "{dot}");
    assert!(dot.contains("n0 -> n1 [label=\"filter\", style=dashed];"), "{dot}");
    assert!(quotes_close(&dot), "{dot}");
    let mermaid = diagram::mermaid(&walk);
    assert!(mermaid.contains("[\"a#quot;b#92;\"]"), "{mermaid}");
    assert!(mermaid.contains("[\"#60;script#62;#35;#96;#59;\"]"), "{mermaid}");
    assert!(mermaid.contains("n0 -.->|\"filter\"| n1"), "{mermaid}");
    assert!(mermaid.lines().all(|line| line.matches('"').count() % 2 == 0), "{mermaid}");
    let (models, lineage) = house();
    for target in ["klaviyo_profiles", "fct_order_lines.cm3_amount"] {
        let question = ask(&models, &lineage, target);
        let dot = question.text(Format::Dot);
        assert!(quotes_close(&dot), "{dot}");
        assert_eq!(dot.matches('{').count(), dot.matches('}').count());
        let mermaid = question.text(Format::Mermaid);
        let groups = mermaid.matches("subgraph ").count();
        assert_eq!(groups, mermaid.lines().filter(|line| line.trim() == "end").count());
    }
}

/// Whether every line of Graphviz closes the strings that it opens.
fn quotes_close(dot: &str) -> bool {
    dot.lines().all(|line| {
        let mut is_open = false;
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' if is_open => drop(letters.next()),
                '"' => is_open = !is_open,
                _ => {}
            }
        }
        !is_open
    })
}

#[test]
fn an_openlineage_event_refers_to_fields_of_its_own_schemas() {
    let (models, lineage) = house();
    let question = ask(&models, &lineage, "klaviyo_profiles");
    let at = "2026-11-01T06:00:00Z".parse().unwrap();
    let url = "s3://bucket/shop".parse().unwrap();
    let events = events(&question, &url, at);
    assert!(events.len() > 10, "{}", events.len());
    for event in &events {
        let output = &event["outputs"][0];
        assert_eq!(output["namespace"], "s3://bucket");
        assert!(output["name"].as_str().unwrap().starts_with("shop/"), "{output}");
        let facet = &output["facets"]["columnLineage"];
        let fields = facet["fields"].as_object().unwrap();
        let schema: Vec<&str> = names(&output["facets"]["schema"]["fields"]);
        assert_eq!(fields.keys().collect::<Vec<_>>(), schema);
        let inputs = fields.values().flat_map(|field| field["inputFields"].as_array().unwrap());
        for input in inputs.chain(facet["dataset"].as_array().unwrap()) {
            let from = event["inputs"].as_array().unwrap().iter();
            let from = from.clone().find(|given| given["name"] == input["name"]).unwrap();
            let mut fields = &from["facets"]["schema"]["fields"];
            for part in input["field"].as_str().unwrap().split('.') {
                let all = fields.as_array().unwrap();
                let field = all.iter().find(|field| field["name"] == part);
                fields = &field.unwrap_or_else(|| panic!("{part}: {input}"))["fields"];
            }
            assert!(!input["transformations"].as_array().unwrap().is_empty());
        }
    }
}

fn names(fields: &Value) -> Vec<&str> {
    fields.as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect()
}

#[test]
fn markdown_says_what_breaks_and_where_it_is_sent() {
    let before = project::models(Path::new("nowhere")).unwrap();
    let mut files = project::model_files(Path::new("nowhere")).unwrap();
    let edit = |files: &mut Vec<warehouse::ModelSource>, name: &str, from: &str, to: &str| {
        let file = files.iter_mut().find(|file| file.path.ends_with(name)).unwrap();
        assert!(file.text.contains(from), "{name}");
        file.text = file.text.replace(from, to);
    };
    let raw = project::raw_schemas();
    let on = "on versions.id = newest.id";
    edit(&mut files, "stg_shopify__customers.sql", on, &format!("{on} and versions.id <> ''"));
    let after = project::models_of(files.clone()).unwrap();
    let diff = ProjectDiff::between(&before, &after, &raw).unwrap();
    let text = markdown(&diff, &after, "main");
    assert!(text.contains("| `stg_shopify__customers` | **other rows** |"), "{text}");
    assert!(text.contains("- `klaviyo_profiles` to klaviyo"), "{text}");
    assert!(!text.contains("does not build"), "{text}");
    assert_eq!(machine(&diff, &after, "main")["exports"][0]["destination"], "klaviyo");
    edit(&mut files, "stg_shopify__customers.sql", "    versions.email_marketing_status,", "    ");
    let after = project::models_of(files).unwrap();
    let diff = ProjectDiff::between(&before, &after, &raw).unwrap();
    let text = markdown(&diff, &after, "main");
    assert!(text.contains("**This does not build.**"), "{text}");
    assert!(text.contains("**gone** `email_marketing_status`"), "{text}");
    assert!(text.contains("**breaks**"), "{text}");
    let same = ProjectDiff::between(&before, &before, &raw);
    let text = markdown(&same.unwrap(), &before, "main");
    assert!(text.contains("Nothing differs"), "{text}");
}
