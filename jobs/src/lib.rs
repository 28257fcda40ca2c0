//! The runner: what runs when, and everything a person types.
//!
//! It owns every loop, clock, retry and printed word. Vendors are `connectors`, tables and SQL are
//! `warehouse`; a run that dies anywhere may be started again and ends in the same tables.

pub mod build;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod docs;
pub mod excerpt;
pub mod export;
pub mod extract;
pub mod failure;
pub mod history;
pub mod lineage;
pub mod lock;
pub mod output;
pub mod project;
pub mod quantity;
pub mod report;
pub mod run;
pub mod schedule;
pub mod secret;
pub mod serve;
pub mod spec;
pub mod stop;
