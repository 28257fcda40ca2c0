//! The page holds everything, and nothing in it can get out of its place.

use std::{collections::BTreeMap, path::Path};

use warehouse::{ModelSource, Project};

use super::*;
use crate::project;

fn page_of(models: &Project, past: &Past) -> String {
    let lineage = models.lineage(&project::raw_schemas()).unwrap();
    let at = "2026-11-01T06:00:00Z".parse().unwrap();
    let shop = Some("A <b>shop</b>");
    page(&Facts { shop, project: models, lineage: &lineage, release: None, past, at })
}

fn contents(page: &str) -> Value {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"contents\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

fn table<'a>(contents: &'a Value, name: &str) -> &'a Value {
    let tables = contents["tables"].as_array().unwrap();
    tables.iter().find(|table| table["name"] == name).unwrap()
}

#[test]
fn what_a_file_says_stays_text() {
    let evil = "</script><script>alert(1)</script><!-- ${x} /*style*/ /*contents*/ \u{2028}";
    let text = format!(
        "-- One row. {evil}\n--! kind = 'full'\n--! checks = [\"x <> '<script>'\"]\n\
         select\n    '{evil}' as x -- {evil}\n"
    );
    let source = ModelSource { path: "fct_evil.sql".to_owned(), text };
    let page = page_of(&Project::load(vec![source]).unwrap(), &Past::default());
    assert_eq!(page.matches("<script").count(), 3, "only the page's own scripts");
    assert_eq!(page.matches("</script>").count(), 3);
    assert!(!page.contains("<!--") && !page.contains('\u{2028}'));
    assert!(!page.contains("<b>shop"));
    let contents = contents(&page);
    let evil_table = table(&contents, "fct_evil");
    assert_eq!(evil_table["description"], format!("One row. {evil}").trim());
    assert_eq!(evil_table["columns"][0]["about"], evil.trim());
    assert_eq!(contents["shop"], "A <b>shop</b>");
    // The page's own script makes no markup of text.
    for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!SCRIPT.contains(way) && !LAYOUT.contains(way), "{way}");
    }
}

#[test]
fn the_page_asks_nobody_for_anything() {
    let models = project::models(Path::new("nowhere")).unwrap();
    let page = page_of(&models, &Past::default());
    assert!(page.contains("default-src 'none'"));
    for own in [PAGE, STYLE, LAYOUT, SCRIPT] {
        let own = own.replace("http://www.w3.org/2000/svg", "");
        for way in ["http:", "https:", "//cdn", "url(", "@import", "fetch(", "XMLHttp", " src="] {
            assert!(!own.contains(way), "{way}");
        }
    }
    for mark in ["/*style*/", "/*contents*/", "/*layout*/", "/*script*/"] {
        assert!(!page.contains(mark), "{mark} is still there");
    }
}

#[test]
fn every_model_has_its_columns_checks_and_lineage() {
    let models = project::models(Path::new("nowhere")).unwrap();
    let contents = contents(&page_of(&models, &Past::default()));
    let count = contents["tables"].as_array().unwrap().iter();
    let count = count.filter(|table| table["layer"] != "raw").count();
    assert_eq!(count, models.models().count());
    let lines = table(&contents, "fct_order_lines");
    let column = |name: &str| {
        let columns = lines["columns"].as_array().unwrap();
        columns.iter().find(|column| column["name"] == name).unwrap().clone()
    };
    assert_eq!(column("cm3_amount")["about"], "after ads");
    assert_eq!(column("cm3_amount")["type"], "decimal(18, 4)");
    assert_eq!(lines["key"][0], "order_line_id");
    assert_eq!(lines["checks"][0]["name"], "unique(order_line_id)");
    assert_eq!(lines["built"], Value::Null);
    // What is said of a column holds for its copies.
    let tables = contents["tables"].as_array().unwrap();
    let said: Vec<&Value> = tables
        .iter()
        .flat_map(|table| table["columns"].as_array().unwrap())
        .filter(|column| column["about_from"].is_string())
        .collect();
    assert!(said.len() > 20, "{}", said.len());
    for table in tables {
        for input in table["inputs"].as_array().unwrap() {
            let input = usize::try_from(input.as_u64().unwrap()).unwrap();
            assert!(tables[input]["name"].is_string());
        }
    }
}

#[test]
fn a_check_that_is_proved_holds() {
    let models = project::models(Path::new("nowhere")).unwrap();
    let key = ("unique(order_line_id)", "proved", "0", "0");
    let said = |checks: &[(&str, &str, &str, &str)]| {
        contents(&page_of(&models, &Past::of_checks("fct_order_lines", checks)))
    };
    assert_eq!(contents(&page_of(&models, &Past::default()))["checks"], Value::Null);
    let proved = said(&[key, ("a", "passed", "0", "858")]);
    assert_eq!(proved["checks"], json!({ "ending": "passed", "says": "2 hold (1 proved)" }));
    let check = &table(&proved, "fct_order_lines")["checks"][0];
    assert_eq!(check["outcome"], json!({ "ending": "proved", "says": "proved from the plan" }));
    let broken = said(&[key, ("a", "warned", "3", "858"), ("b", "failed", "1", "858")]);
    let says = "1 hold (1 proved), 1 warned, 1 failed";
    assert_eq!(broken["checks"], json!({ "ending": "failed", "says": says }));
    let checks = table(&broken, "fct_order_lines")["checks"].as_array().unwrap();
    let outcome = |name: &str| &checks.iter().find(|c| c["name"] == name).unwrap()["outcome"];
    assert_eq!(outcome("a")["says"], "warned: 3 of 858 rows");
    assert_eq!(outcome("b"), &json!({ "ending": "failed", "says": "failed: 1 of 858 rows" }));
    // The script shows endings by name: each has a colour.
    for ending in ["passed", "proved", "warned", "failed"] {
        assert!(SCRIPT.contains(&format!("{ending}: \"")), "{ending}");
    }
}

#[test]
fn every_query_to_begin_with_plans() {
    let house = project::models(Path::new("nowhere")).unwrap();
    let lineage = house.lineage(&project::raw_schemas()).unwrap();
    let mut files = project::model_files(Path::new("nowhere")).unwrap();
    let mut titles: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, table) in lineage.tables().enumerate() {
        for (index, (title, sql)) in samples::statements(table).into_iter().enumerate() {
            *titles.entry(title).or_default() += 1;
            // A model may be any query here: layers and types are not what is asked.
            files.push(ModelSource {
                path: format!("fct_sample_{number}_{index}.sql"),
                text: format!("-- One row.\n--! kind = 'full'\n{sql}\n"),
            });
        }
    }
    assert_eq!(titles.len(), 4, "{titles:?}");
    let found = project::models_of(files).unwrap().check(&project::raw_schemas()).unwrap();
    let broken: Vec<String> = found
        .iter()
        .filter(|finding| finding.code.starts_with("E01"))
        .map(|finding| format!("{finding} {:?}", finding.hint))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
