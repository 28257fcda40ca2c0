//! Names of tables and where each lies below the root.

use std::fmt;
use std::str::FromStr;

use object_store::path::Path;

use crate::environment::Environment;
use crate::{Error, Result};

/// The folder a table belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// What a vendor said.
    Raw,
    /// One raw table, renamed and cast.
    Staging,
    /// A step between.
    Intermediate,
    /// For readers.
    Marts,
    /// For a destination.
    Exports,
    /// What the house did.
    Ops,
}

impl Layer {
    /// The folder's name.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Staging => "staging",
            Self::Intermediate => "intermediate",
            Self::Marts => "marts",
            Self::Exports => "exports",
            Self::Ops => "ops",
        }
    }
}

/// A table's name: `raw.<source>.<stream>`, `ops.<table>`, or a model's bare name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    layer: Layer,
    /// One part, or source and stream.
    parts: Vec<String>,
    /// Where it was built; raw and ops tables belong to all.
    environment: Environment,
}

impl TableName {
    /// `raw.<source>.<stream>`.
    pub fn raw(source: &str, stream: &str) -> Self {
        Self::new(Layer::Raw, vec![source.to_owned(), stream.to_owned()])
    }

    /// `ops.<table>`.
    pub fn ops(table: &str) -> Self {
        Self::new(Layer::Ops, vec![table.to_owned()])
    }

    /// A model of a layer; its name in SQL is the bare `stem`.
    pub fn model(layer: Layer, stem: &str) -> Self {
        Self::new(layer, vec![stem.to_owned()])
    }

    fn new(layer: Layer, parts: Vec<String>) -> Self {
        Self { layer, parts, environment: Environment::default() }
    }

    /// The model's table that was built in `environment`; raw and ops tables stay what they are.
    #[must_use]
    pub fn built_in(mut self, environment: &Environment) -> Self {
        if !matches!(self.layer, Layer::Raw | Layer::Ops) {
            self.environment = environment.clone();
        }
        self
    }

    /// Where it was built.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The layer it lies in.
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// The last part: stream, ops table or model.
    pub fn stem(&self) -> &str {
        self.parts.last().map_or("", String::as_str)
    }

    /// The folder below the root, as `raw/shopify/orders` or `environments/dev/marts/fct_orders`.
    pub fn location(&self) -> Path {
        let layer = self.environment.tables().join(self.layer.folder());
        self.parts.iter().fold(layer, |path, part| path.join(part.as_str()))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self.layer, Layer::Raw | Layer::Ops) {
            write!(f, "{}.", self.layer.folder())?;
        }
        f.write_str(&self.parts.join("."))
    }
}

impl FromStr for TableName {
    type Err = Error;

    /// A bare name is placed by its prefix: `stg_`, `int_`, else marts. Use
    /// [`TableName::model`] for exports, whose names tell nothing.
    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let valid = |part: &&str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        if !parts.iter().all(valid) {
            return Err(Error::Name(text.to_owned()));
        }
        match parts.as_slice() {
            ["raw", source, stream] => Ok(Self::raw(source, stream)),
            ["ops", table] => Ok(Self::ops(table)),
            [stem] if stem.starts_with("stg_") => Ok(Self::model(Layer::Staging, stem)),
            [stem] if stem.starts_with("int_") => Ok(Self::model(Layer::Intermediate, stem)),
            [stem] => Ok(Self::model(Layer::Marts, stem)),
            _ => Err(Error::Name(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_and_knows_its_folder() {
        for (text, folder) in [
            ("raw.shopify.orders", "raw/shopify/orders"),
            ("ops.runs", "ops/runs"),
            ("stg_shopify__orders", "staging/stg_shopify__orders"),
            ("int_refunds_summed_to_orders", "intermediate/int_refunds_summed_to_orders"),
            ("fct_orders", "marts/fct_orders"),
        ] {
            let name: TableName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
            assert_eq!(name.location().to_string(), folder);
        }
        let dev: Environment = "dev".parse().unwrap();
        for (text, folder) in
            [("fct_orders", "environments/dev/marts/fct_orders"), ("raw.a.b", "raw/a/b")]
        {
            let name = text.parse::<TableName>().unwrap().built_in(&dev);
            assert_eq!(
                (name.location().to_string(), name.to_string()),
                (folder.into(), text.into())
            );
        }
        for text in ["", "raw.orders", "a.b", "raw..x", "../x", "raw.a.b.c"] {
            assert!(text.parse::<TableName>().is_err(), "{text}");
        }
    }
}
