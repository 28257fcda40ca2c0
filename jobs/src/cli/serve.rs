//! `inkhouse serve`: all jobs at their times, until stopped.

use super::Context;
use crate::{failure::Failure, serve};

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let house = context.house()?;
    serve::run(&house, &context.stop).await
}
