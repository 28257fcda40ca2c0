//! `--env`: in which environment a command works. Jobs and exports always work in `prod`.

use clap::Args;
use warehouse::Environment;

#[derive(Debug, Args)]
pub(super) struct EnvironmentArgument {
    /// In this environment; `prod` is what everybody reads, exports and jobs included
    #[arg(long = "env", value_name = "NAME", default_value_t)]
    pub(super) environment: Environment,
}
