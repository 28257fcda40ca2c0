//! Column lineage of one plan: for every output column, and for the rows as a whole, the columns
//! of tables that they come from.
//!
//! Every node is answered by position, so names that clash or change on the way do not matter. A
//! node or an expression that is not known here counts as computed from all that it reads.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::{Column, DFSchemaRef, JoinType, TableReference};
use datafusion::logical_expr::utils::{grouping_set_to_exprlist, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, Join, LogicalPlan, RecursiveQuery, TableScan, Unnest,
};
use xxhash_rust::xxh3::xxh3_64;

use super::edge::{Class, ELEMENT, Edge, Edges, Source, under};
use crate::model::references::Target;

/// Longer ways into a column are cut: only a recursion makes them.
const PATH_LENGTH: usize = 16;

/// Where a column of a relation comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Traced {
    pub(super) edges: Edges,
    /// Of the expression, with all that it is made of; names on the way do not count.
    pub(super) digest: u64,
}

/// What a node of a plan yields.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) schema: DFSchemaRef,
    pub(super) columns: Vec<Traced>,
    /// The tables whose rows its rows are made of.
    pub(super) tables: BTreeSet<Arc<str>>,
}

impl Relation {
    fn has(&self, column: &Column) -> bool {
        self.schema.maybe_index_of_column(column).is_some()
    }

    fn edges(&self) -> Edges {
        self.columns.iter().flat_map(|column| column.edges.iter().cloned()).collect()
    }
}

/// Walks one plan.
#[derive(Debug, Default)]
pub(super) struct Tracer {
    /// What decides which rows there are.
    pub(super) rows: Edges,
    pub(super) rows_digest: u64,
    /// All tables that were read.
    pub(super) inputs: BTreeSet<Arc<str>>,
    /// What correlated subqueries see, the innermost last.
    pub(super) outer: Vec<Arc<Relation>>,
    /// Recursive queries under way, by name.
    recursions: Vec<(String, Relation)>,
    /// Whether the rows of the node in question are cut off by a limit above it.
    is_cut: bool,
    /// Digests of the subqueries of the expression in question.
    pub(super) subqueries: Vec<u64>,
}

impl Tracer {
    pub(super) fn relation(&mut self, plan: &LogicalPlan) -> Relation {
        let is_cut = std::mem::take(&mut self.is_cut);
        let mut relation = match plan {
            LogicalPlan::Projection(projection) => {
                self.is_cut = is_cut;
                let input = self.relation(&projection.input);
                let columns = projection.expr.iter().map(|e| self.expression(e, &[&input]));
                let columns = columns.collect();
                Relation { columns, ..input }
            }
            LogicalPlan::Filter(filter) => {
                let input = self.relation(&filter.input);
                self.decide(Class::Filter, &filter.predicate, &[&input]);
                input
            }
            LogicalPlan::Window(window) => {
                let mut input = self.relation(&window.input);
                let made = window.window_expr.iter().map(|e| self.expression(e, &[&input]));
                let made: Vec<Traced> = made.collect();
                input.columns.extend(made);
                input
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Sort(sort) => {
                let input = self.relation(&sort.input);
                let class =
                    if is_cut || sort.fetch.is_some() { Class::Filter } else { Class::Sort };
                for key in &sort.expr {
                    self.decide(class, &key.expr, &[&input]);
                    self.note(&format!("{} {}", key.asc, key.nulls_first));
                }
                input
            }
            LogicalPlan::Limit(limit) => {
                self.is_cut = true;
                let input = self.relation(&limit.input);
                for bound in limit.skip.iter().chain(&limit.fetch) {
                    self.decide(Class::Filter, bound, &[&input]);
                }
                input
            }
            LogicalPlan::SubqueryAlias(alias) => {
                self.is_cut = is_cut;
                self.relation(&alias.input)
            }
            LogicalPlan::Subquery(subquery) => self.relation(&subquery.subquery),
            LogicalPlan::Repartition(repartition) => self.relation(&repartition.input),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => {
                let branches: Vec<Relation> =
                    union.inputs.iter().map(|input| self.relation(input)).collect();
                self.note(&format!("union {}", branches.len()));
                united(branches, plan)
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let input = self.relation(input);
                self.note("distinct");
                self.rows.extend(under(&input.edges(), Class::GroupKey));
                input
            }
            LogicalPlan::Distinct(Distinct::On(distinct)) => {
                let input = self.relation(&distinct.input);
                for key in &distinct.on_expr {
                    self.decide(Class::GroupKey, key, &[&input]);
                }
                for key in distinct.sort_expr.iter().flatten() {
                    self.decide(Class::Filter, &key.expr, &[&input]);
                }
                let columns = distinct.select_expr.iter().map(|e| self.expression(e, &[&input]));
                let columns = columns.collect();
                Relation { columns, ..input }
            }
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::EmptyRelation(_) => empty(plan),
            LogicalPlan::Values(values) => {
                let mut relation = empty(plan);
                for row in &values.values {
                    for (column, value) in relation.columns.iter_mut().zip(row) {
                        let value = self.expression(value, &[]);
                        column.edges.extend(value.edges);
                        column.digest = digest(&[column.digest, value.digest]);
                    }
                }
                relation
            }
            LogicalPlan::Unnest(unnest) => self.unnest(unnest),
            LogicalPlan::RecursiveQuery(recursion) => self.recursion(recursion),
            other => self.unknown(other),
        };
        relation.schema = Arc::clone(plan.schema());
        if relation.columns.len() != relation.schema.fields().len() {
            let all: Edges = under(&relation.edges(), Class::Transform).collect();
            let digest = digest_of(&plan.display().to_string());
            let count = relation.schema.fields().len();
            relation.columns = vec![Traced { edges: all, digest }; count];
        }
        relation
    }

    /// Everything from everything.
    fn unknown(&mut self, plan: &LogicalPlan) -> Relation {
        let mut relation = empty(plan);
        let mut all = Edges::new();
        for input in plan.inputs() {
            let input = self.relation(input);
            all.extend(under(&input.edges(), Class::Transform));
            relation.tables.extend(input.tables);
        }
        let digest = digest_of(&plan.display().to_string());
        relation.columns.fill(Traced { edges: all, digest });
        relation
    }

    fn scan(&mut self, scan: &TableScan) -> Relation {
        if let TableReference::Bare { table } = &scan.table_name
            && let Some((_, work)) =
                self.recursions.iter().rev().find(|(name, _)| **name == **table)
        {
            return work.clone();
        }
        let target = Target::of(&scan.table_name);
        let name: Arc<str> = target.name().into();
        self.note(&name);
        // A table function makes rows of nothing; it is known by its brackets.
        let is_table = !name.ends_with(')');
        let columns = scan.projected_schema.fields().iter().map(|field| {
            let source = Source::column(&name, field.name());
            let digest = digest_of(&source.to_string());
            let edge = is_table.then_some(Edge { source, class: Class::Copy });
            Traced { edges: edge.into_iter().collect(), digest }
        });
        let columns = columns.collect();
        let tables: BTreeSet<Arc<str>> = is_table.then_some(name).into_iter().collect();
        self.inputs.extend(tables.iter().map(Arc::clone));
        let schema = Arc::clone(&scan.projected_schema);
        let relation = Relation { schema, columns, tables };
        for filter in &scan.filters {
            self.decide(Class::Filter, filter, &[&relation]);
        }
        relation
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Relation {
        let input = self.relation(&aggregate.input);
        let keys = grouping_set_to_exprlist(&aggregate.group_expr).unwrap_or_default();
        let mut columns: Vec<Traced> =
            keys.iter().map(|key| self.expression(key, &[&input])).collect();
        for key in &columns {
            self.rows.extend(under(&key.edges, Class::GroupKey));
        }
        let digests: Vec<u64> = columns.iter().map(|key| key.digest).collect();
        self.note(&format!("group {digests:?}"));
        if let [sets @ Expr::GroupingSet(_)] = aggregate.group_expr.as_slice() {
            let text = self.text(sets, &[&input]);
            self.note(&text);
            // Which of the keys a row is grouped by.
            let all: Edges =
                columns.iter().flat_map(|key| under(&key.edges, Class::Transform)).collect();
            columns.push(Traced { edges: all, digest: digest(&digests) });
        }
        for made in &aggregate.aggr_expr {
            let made = self.expression(made, &[&input]);
            columns.push(made);
        }
        Relation { columns, ..input }
    }

    fn join(&mut self, join: &Join) -> Relation {
        let left = self.relation(&join.left);
        // A lateral subquery on the right sees the left.
        self.outer.push(Arc::new(left.clone()));
        let right = self.relation(&join.right);
        self.outer.pop();
        self.note(&format!("{} {:?}", join.join_type, join.null_equality));
        let halves = matches!(
            join.join_type,
            JoinType::LeftSemi | JoinType::RightSemi | JoinType::LeftAnti | JoinType::RightAnti
        );
        let key = if halves { Class::Filter } else { Class::JoinKey };
        for (on_left, on_right) in &join.on {
            self.decide(key, on_left, &[&left]);
            self.decide(key, on_right, &[&right]);
        }
        for condition in join.filter.iter().flat_map(|filter| split_conjunction(filter)) {
            let columns = condition.column_refs();
            let both = columns.iter().any(|column| left.has(column))
                && columns.iter().any(|column| right.has(column));
            let class = if both { key } else { Class::Filter };
            self.decide(class, condition, &[&left, &right]);
        }
        if join.on.is_empty() && join.filter.is_none() {
            for table in left.tables.iter().chain(&right.tables) {
                self.rows.insert(Edge { source: Source::rows(table), class: Class::JoinKey });
            }
        }
        let mark = || Traced { edges: Edges::new(), digest: 0 };
        let (mut columns, rest) = match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => (left.columns, Vec::new()),
            JoinType::RightSemi | JoinType::RightAnti => (right.columns, Vec::new()),
            JoinType::LeftMark => (left.columns, vec![mark()]),
            JoinType::RightMark => (right.columns, vec![mark()]),
            _ => (left.columns, right.columns),
        };
        columns.extend(rest);
        let tables = left.tables.into_iter().chain(right.tables).collect();
        Relation { schema: Arc::clone(&join.schema), columns, tables }
    }

    /// The element of a list, the field of a struct; and a list decides how many rows there are.
    fn unnest(&mut self, unnest: &Unnest) -> Relation {
        let input = self.relation(&unnest.input);
        let mut columns = Vec::new();
        for (index, from) in unnest.dependency_indices.iter().enumerate() {
            let Some(traced) = input.columns.get(*from) else { continue };
            let (_, made) = unnest.schema.qualified_field(index);
            let list = unnest
                .list_type_columns
                .iter()
                .find(|(list, to)| list == from && to.output_column.name == *made.name());
            let mut path: Vec<Arc<str>> = Vec::new();
            if let Some((_, to)) = list {
                path.extend(std::iter::repeat_n(Arc::from(ELEMENT), to.depth));
                self.rows.extend(under(&traced.edges, Class::Filter));
                self.note(&format!("unnest {} {}", traced.digest, to.depth));
            } else if unnest.struct_type_columns.contains(from) {
                // The planner calls the field `<column>.<field>`.
                let column = input.schema.field(*from).name();
                let field = made.name().strip_prefix(column.as_str());
                let field = field.and_then(|rest| rest.strip_prefix('.'));
                path.push(Arc::from(field.unwrap_or(made.name())));
            }
            columns.push(inside(traced, &path));
        }
        Relation { columns, ..input }
    }

    /// The recursive term is followed until nothing new comes out of it.
    fn recursion(&mut self, recursion: &RecursiveQuery) -> Relation {
        let first = self.relation(&recursion.static_term);
        self.note("recursive");
        let noted = self.rows_digest;
        let mut known = first;
        let own: Vec<u64> = known.columns.iter().map(|column| column.digest).collect();
        loop {
            self.rows_digest = noted;
            self.recursions.push((recursion.name.clone(), known.clone()));
            let next = self.relation(&recursion.recursive_term);
            self.recursions.pop();
            let before: usize = known.columns.iter().map(|column| column.edges.len()).sum();
            let tables = known.tables.len();
            known.tables.extend(next.tables);
            let mut digests = Vec::new();
            for (column, more) in known.columns.iter_mut().zip(next.columns) {
                column.edges.extend(more.edges);
                digests.push(more.digest);
            }
            let after: usize = known.columns.iter().map(|column| column.edges.len()).sum();
            if (before, tables) == (after, known.tables.len()) {
                for ((column, own), more) in known.columns.iter_mut().zip(own).zip(digests) {
                    column.digest = digest(&[own, more]);
                }
                break;
            }
        }
        if recursion.is_distinct {
            self.rows.extend(under(&known.edges(), Class::GroupKey));
        }
        known
    }

    /// Writes down that `expression` decides about rows.
    fn decide(&mut self, class: Class, expression: &Expr, scopes: &[&Relation]) {
        let traced = self.expression(expression, scopes);
        self.rows.extend(under(&traced.edges, class));
        self.rows_digest = digest(&[self.rows_digest, class as u64, traced.digest]);
    }

    /// Writes down something about rows that is no expression.
    fn note(&mut self, text: &str) {
        self.rows_digest = digest(&[self.rows_digest, digest_of(text)]);
    }
}

/// A column that is a place inside another.
pub(super) fn inside(traced: &Traced, path: &[Arc<str>]) -> Traced {
    if path.is_empty() {
        return traced.clone();
    }
    let edges = traced.edges.iter().map(|edge| match edge.class {
        Class::Copy if edge.source.path.len() + path.len() <= PATH_LENGTH => {
            Edge { source: edge.source.clone().inside(path), class: Class::Copy }
        }
        class => Edge { source: edge.source.clone(), class: class.under(Class::Transform) },
    });
    let digest = digest(&[traced.digest, digest_of(&path.join("\n"))]);
    Traced { edges: edges.collect(), digest }
}

fn united(branches: Vec<Relation>, plan: &LogicalPlan) -> Relation {
    let mut whole = empty(plan);
    for branch in branches {
        whole.tables.extend(branch.tables);
        for (column, more) in whole.columns.iter_mut().zip(branch.columns) {
            column.edges.extend(more.edges);
            column.digest = digest(&[column.digest, more.digest]);
        }
    }
    whole
}

fn empty(plan: &LogicalPlan) -> Relation {
    let schema = Arc::clone(plan.schema());
    let columns = vec![Traced::default(); schema.fields().len()];
    Relation { schema, columns, tables: BTreeSet::new() }
}

pub(super) fn digest(parts: &[u64]) -> u64 {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_le_bytes()).collect();
    xxh3_64(&bytes)
}

pub(super) fn digest_of(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}
