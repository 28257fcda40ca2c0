//! From a plan to what determines its rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::common::{DFSchema, JoinType};
use datafusion::logical_expr::utils::{grouping_set_to_exprlist, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable as _, Join, LogicalPlan, Operator, Union, Unnest,
    Window, WindowFunctionDefinition,
};

use super::super::Grains;
use super::super::units::Unit;
use super::dependencies::{Attribute, Dependencies};

/// The rows that a value is one of: each list is one addend, of rows that it was multiplied from.
type Addends = Vec<Vec<Attribute>>;

/// More addends than these are taken for one.
const MOST_ADDENDS: usize = 12;

/// A column: its attribute, and the rows that its values belong to.
#[derive(Debug, Clone)]
struct Cell {
    attribute: Attribute,
    addends: Addends,
}

/// A relation: columns, the instances that its row is made of, and what determines what.
#[derive(Debug, Clone, Default)]
pub(super) struct Relation {
    cells: Vec<Cell>,
    rows: Vec<Attribute>,
    dependencies: Dependencies,
    /// Sets of columns that may be keys.
    candidates: Vec<Vec<Attribute>>,
    /// Instances whose currency a filter, a join or a case speaks of.
    settled: Vec<Attribute>,
}

impl Relation {
    /// The keys that are proved, as numbers of columns.
    pub(super) fn keys(&self) -> Vec<Vec<usize>> {
        let number =
            |attribute: &Attribute| self.cells.iter().position(|cell| cell.attribute == *attribute);
        let mut keys: Vec<Vec<usize>> = Vec::new();
        if self.dependencies.closure([]).contains_all(&self.rows) {
            keys.push(Vec::new());
        }
        for candidate in &self.candidates {
            let Some(columns) = candidate.iter().map(number).collect::<Option<Vec<_>>>() else {
                continue;
            };
            let closure = self.dependencies.closure(candidate.iter().copied());
            if closure.contains_all(&self.rows) && !keys.contains(&columns) {
                keys.push(columns);
            }
        }
        keys
    }
}

/// What an instance is called, and the columns that say its rows' currency.
#[derive(Debug, Clone, Default)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) currencies: Vec<Attribute>,
    /// Of a table, the columns of its key, if none of them is a currency.
    pub(super) key: Vec<Attribute>,
}

/// One sum: what is summed, by what, over what.
#[derive(Debug)]
pub(super) struct Sum {
    /// `sum`, `avg` or `count`.
    pub(super) function: String,
    pub(super) argument: Expr,
    pub(super) addends: Addends,
    /// The rows whose money is summed, where their currency stands beside it.
    pub(super) money: Vec<Attribute>,
    /// The columns grouped by and what its filter fixes.
    pub(super) groups: Vec<Attribute>,
    pub(super) rows: Vec<Attribute>,
    pub(super) settled: Vec<Attribute>,
    pub(super) dependencies: Arc<Dependencies>,
}

pub(super) struct Analysis<'a> {
    grains: &'a Grains,
    next: Attribute,
    pub(super) instances: BTreeMap<Attribute, Instance>,
    /// All sums of the plan, its subqueries included.
    pub(super) sums: Vec<Sum>,
}

impl<'a> Analysis<'a> {
    pub(super) fn new(grains: &'a Grains) -> Self {
        Self { grains, next: 0, instances: BTreeMap::new(), sums: Vec::new() }
    }

    fn fresh(&mut self) -> Attribute {
        self.next += 1;
        self.next
    }

    fn instance(&mut self, name: &str, currencies: Vec<Attribute>) -> Attribute {
        let row = self.fresh();
        let instance = Instance { name: name.to_owned(), currencies, key: Vec::new() };
        self.instances.insert(row, instance);
        row
    }

    pub(super) fn relation(&mut self, plan: &LogicalPlan) -> Relation {
        let walked = plan.apply_subqueries(|subquery| {
            self.relation(subquery);
            Ok(TreeNodeRecursion::Continue)
        });
        debug_assert!(walked.is_ok(), "the visitor never fails");
        let relation = match plan {
            LogicalPlan::Projection(projection) => {
                let input = self.relation(&projection.input);
                self.project(input, projection.input.schema(), &projection.expr)
            }
            LogicalPlan::Filter(filter) => {
                let input = self.relation(&filter.input);
                self.filter(input, filter.input.schema(), &filter.predicate)
            }
            LogicalPlan::Sort(sort) => self.relation(&sort.input),
            LogicalPlan::Limit(limit) => self.relation(&limit.input),
            LogicalPlan::Repartition(repartition) => self.relation(&repartition.input),
            LogicalPlan::Subquery(subquery) => self.relation(&subquery.subquery),
            LogicalPlan::SubqueryAlias(alias) => {
                let input = self.relation(&alias.input);
                if let [row] = input.rows.as_slice()
                    && let Some(instance) = self.instances.get_mut(row)
                {
                    alias.alias.table().clone_into(&mut instance.name);
                }
                input
            }
            LogicalPlan::TableScan(scan) => self.table(&scan.table_name.to_string(), plan.schema()),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Unnest(unnest) => self.unnest(unnest),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Distinct(distinct) => self.distinct(distinct, plan.schema()),
            LogicalPlan::EmptyRelation(_) => {
                let mut one = self.opaque("", plan.schema());
                one.dependencies.add([], one.rows.clone());
                one
            }
            other => self.opaque("", other.schema()),
        };
        if relation.cells.len() == plan.schema().fields().len() {
            relation
        } else {
            self.opaque("", plan.schema())
        }
    }

    /// Rows of which nothing is known.
    fn opaque(&mut self, name: &str, schema: &DFSchema) -> Relation {
        let attributes: Vec<Attribute> = schema.fields().iter().map(|_| self.fresh()).collect();
        let currencies = schema
            .fields()
            .iter()
            .zip(&attributes)
            .filter(|(field, _)| is_currency(field.name()))
            .map(|(_, attribute)| *attribute);
        let row = self.instance(name, currencies.collect());
        let mut dependencies = Dependencies::default();
        dependencies.add([row], attributes.iter().copied());
        let cell = |attribute: &Attribute| Cell { attribute: *attribute, addends: vec![vec![row]] };
        Relation {
            cells: attributes.iter().map(cell).collect(),
            rows: vec![row],
            dependencies,
            candidates: Vec::new(),
            settled: Vec::new(),
        }
    }

    fn table(&mut self, name: &str, schema: &DFSchema) -> Relation {
        let mut relation = self.opaque(name, schema);
        let keys = self.grains.get(name).map(|grain| grain.keys.clone()).unwrap_or_default();
        for key in keys {
            let column = |name: &String| {
                let at = schema.fields().iter().position(|field| field.name() == name)?;
                relation.cells.get(at).map(|cell| cell.attribute)
            };
            if let Some(key) = key.iter().map(column).collect::<Option<Vec<_>>>() {
                relation.dependencies.add(key.iter().copied(), relation.rows.clone());
                let row = relation.rows.first().and_then(|row| self.instances.get_mut(row));
                if let Some(instance) = row
                    && !key.iter().any(|column| instance.currencies.contains(column))
                {
                    instance.key.extend(&key);
                }
                relation.candidates.push(key);
            }
        }
        relation
    }

    /// The attribute of an expression over a relation; a new one unless it is a column.
    fn attribute(
        &mut self,
        expr: &Expr,
        schema: &DFSchema,
        cells: &[Cell],
        dependencies: &mut Dependencies,
    ) -> Attribute {
        match expr {
            Expr::Alias(alias) => self.attribute(&alias.expr, schema, cells, dependencies),
            Expr::Column(column) => {
                let at = schema.maybe_index_of_column(column);
                let known = at.and_then(|at| cells.get(at)).map(|cell| cell.attribute);
                known.unwrap_or_else(|| self.fresh())
            }
            other => {
                let of = columns(other, schema, cells);
                let made = self.fresh();
                if let ([only], true) = (of.as_slice(), keeps_apart(other, schema)) {
                    dependencies.add([made], [*only]);
                }
                dependencies.add(of, [made]);
                made
            }
        }
    }

    fn project(&mut self, mut input: Relation, schema: &DFSchema, exprs: &[Expr]) -> Relation {
        let mut cells = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let addends = addends(expr, schema, &input.cells);
            let attribute = self.attribute(expr, schema, &input.cells, &mut input.dependencies);
            if looks_at_currency(expr) {
                // Of a value that is null for the rows of another currency.
                let settled = self.settled_copy(&addends, &mut input);
                cells.push(Cell { attribute, addends: settled });
            } else {
                cells.push(Cell { attribute, addends });
            }
        }
        input.cells = cells;
        input
    }

    /// The same rows under other names, whose currency is settled.
    fn settled_copy(&mut self, addends: &Addends, input: &mut Relation) -> Addends {
        let copy = |rows: &Vec<Attribute>| {
            let copied = rows.iter().map(|row| {
                let name = self.instances.get(row).map(|of| of.name.clone()).unwrap_or_default();
                let twin = self.instance(&name, Vec::new());
                input.dependencies.add([*row], [twin]);
                input.dependencies.add([twin], [*row]);
                twin
            });
            copied.collect()
        };
        addends.iter().map(copy).collect()
    }

    fn filter(&mut self, mut input: Relation, schema: &DFSchema, predicate: &Expr) -> Relation {
        for condition in split_conjunction(predicate) {
            self.fix(condition, schema, &mut input);
            settle(condition, schema, &mut input);
        }
        input
    }

    /// What holds of all rows for which a condition is true.
    fn fix(&mut self, condition: &Expr, schema: &DFSchema, relation: &mut Relation) {
        let Relation { cells, dependencies, .. } = relation;
        match condition {
            Expr::BinaryExpr(pair)
                if matches!(pair.op, Operator::Eq | Operator::IsNotDistinctFrom) =>
            {
                let left = self.attribute(&pair.left, schema, cells, dependencies);
                let right = self.attribute(&pair.right, schema, cells, dependencies);
                dependencies.add([left], [right]);
                dependencies.add([right], [left]);
            }
            Expr::IsNull(inner) => {
                let fixed = self.attribute(inner, schema, cells, dependencies);
                dependencies.add([], [fixed]);
            }
            Expr::InList(list) if list.list.len() == 1 && !list.negated => {
                let fixed = self.attribute(&list.expr, schema, cells, dependencies);
                dependencies.add([], [fixed]);
            }
            _ => {}
        }
    }

    fn join(&mut self, join: &Join) -> Relation {
        let mut left = self.relation(&join.left);
        let mut right = self.relation(&join.right);
        let width = left.cells.len();
        let Ok(schema) = join.left.schema().join(join.right.schema()) else {
            return self.opaque("", &join.schema);
        };
        let mut both = Relation {
            cells: left.cells.iter().chain(&right.cells).cloned().collect(),
            rows: left.rows.iter().chain(&right.rows).copied().collect(),
            dependencies: std::mem::take(&mut left.dependencies),
            candidates: std::mem::take(&mut left.candidates),
            settled: std::mem::take(&mut left.settled),
        };
        both.dependencies.extend(std::mem::take(&mut right.dependencies));
        both.candidates.append(&mut right.candidates);
        both.settled.append(&mut right.settled);

        let on = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
        let filters = join.filter.iter().flat_map(|filter| split_conjunction(filter)).cloned();
        let conditions: Vec<Expr> = on.chain(filters).collect();
        let mut found = Found::default();
        for condition in &conditions {
            self.find(condition, &schema, width, &mut both, &mut found);
        }
        let closure = |by: &Side| both.dependencies.closure(by.found());
        let right_is_found = closure(&found.right).contains_all(&right.rows);
        let left_is_found = closure(&found.left).contains_all(&left.rows);
        if right_is_found {
            both.dependencies.add(found.left.given, right.rows.iter().copied());
        }
        if left_is_found {
            both.dependencies.add(found.right.given, left.rows.iter().copied());
        }
        match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => {
                both.cells = left.cells;
                both.rows = left.rows;
            }
            JoinType::RightSemi | JoinType::RightAnti => {
                both.cells = right.cells;
                both.rows = right.rows;
            }
            JoinType::Inner => {
                for condition in &conditions {
                    self.fix(condition, &schema, &mut both);
                    settle(condition, &schema, &mut both);
                }
            }
            _ => {}
        }
        both
    }

    /// What a condition of a join gives each side to find its row by.
    fn find(
        &mut self,
        condition: &Expr,
        schema: &DFSchema,
        width: usize,
        both: &mut Relation,
        found: &mut Found,
    ) {
        let side = |expr: &Expr| side_of(expr, schema, width);
        let all = columns_at(condition, schema);
        for at in all {
            if let Some(cell) = both.cells.get(at) {
                let of = if at < width { &mut found.left } else { &mut found.right };
                of.given.push(cell.attribute);
            }
        }
        let Relation { cells, dependencies, .. } = both;
        match condition {
            Expr::BinaryExpr(pair) => {
                let is_equal = matches!(pair.op, Operator::Eq | Operator::IsNotDistinctFrom);
                for (one, other, op) in [
                    (&pair.left, &pair.right, Some(pair.op)),
                    (&pair.right, &pair.left, pair.op.swap()),
                ] {
                    let of = match (side(one), side(other)) {
                        (Reads::Left, Reads::Right | Reads::Neither) => &mut found.left,
                        (Reads::Right, Reads::Left | Reads::Neither) => &mut found.right,
                        _ => continue,
                    };
                    let attribute = self.attribute(one, schema, cells, dependencies);
                    match op {
                        _ if is_equal => of.equal.push(attribute),
                        Some(Operator::Lt | Operator::LtEq) => of.lows.push(attribute),
                        Some(Operator::Gt | Operator::GtEq) => of.highs.push(attribute),
                        _ => {}
                    }
                }
            }
            Expr::Between(between) if !between.negated => {
                for (bound, is_low) in [(&between.low, true), (&between.high, false)] {
                    let of = match (side(bound), side(&between.expr)) {
                        (Reads::Left, Reads::Right) => &mut found.left,
                        (Reads::Right, Reads::Left) => &mut found.right,
                        _ => continue,
                    };
                    let attribute = self.attribute(bound, schema, cells, dependencies);
                    if is_low { of.lows.push(attribute) } else { of.highs.push(attribute) }
                }
            }
            Expr::IsNull(inner) => {
                let of = match side(inner) {
                    Reads::Left => &mut found.left,
                    Reads::Right => &mut found.right,
                    _ => return,
                };
                of.equal.push(self.attribute(inner, schema, cells, dependencies));
            }
            _ => {}
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Relation {
        let schema = aggregate.input.schema();
        let mut input = self.relation(&aggregate.input);
        let is_set = matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]);
        let Ok(by) = grouping_set_to_exprlist(&aggregate.group_expr) else {
            return self.opaque("", &aggregate.schema);
        };
        let mut cells = Vec::new();
        for expr in by {
            let attribute = self.attribute(expr, schema, &input.cells, &mut input.dependencies);
            cells.push(Cell { attribute, addends: addends(expr, schema, &input.cells) });
        }
        let groups: Vec<Attribute> = cells.iter().map(|cell| cell.attribute).collect();
        for expr in &aggregate.aggr_expr {
            self.sum(expr, schema, &mut input, &groups);
        }
        if is_set {
            return self.opaque("", &aggregate.schema);
        }
        let closure = input.dependencies.closure(groups.iter().copied());
        let instances = input.rows.iter().filter_map(|row| self.instances.get(row));
        let mut currencies: Vec<Attribute> = instances
            .flat_map(|of| of.currencies.iter().copied())
            .filter(|currency| closure.contains(*currency))
            .collect();
        let named = aggregate.schema.fields().iter().skip(groups.len());
        let made: Vec<Attribute> = aggregate.aggr_expr.iter().map(|_| self.fresh()).collect();
        let is_money_code = made.iter().zip(named).filter(|(_, field)| is_currency(field.name()));
        currencies.extend(is_money_code.map(|(attribute, _)| *attribute));
        let row = self.instance("", currencies);
        cells.extend(made.iter().map(|made| Cell { attribute: *made, addends: vec![vec![row]] }));
        input.dependencies.add(groups.iter().copied(), [row]);
        input.dependencies.add([row], cells.iter().map(|cell| cell.attribute));
        Relation {
            cells,
            rows: vec![row],
            dependencies: input.dependencies,
            candidates: vec![groups],
            settled: Vec::new(),
        }
    }

    /// Writes down a sum, if `expr` is one.
    fn sum(&mut self, expr: &Expr, schema: &DFSchema, input: &mut Relation, groups: &[Attribute]) {
        let (function, arguments, filter) = match expr {
            Expr::Alias(alias) => return self.sum(&alias.expr, schema, input, groups),
            Expr::AggregateFunction(call) if !call.params.distinct => {
                (call.func.name(), &call.params.args, &call.params.filter)
            }
            Expr::WindowFunction(call) if !call.params.distinct => {
                let WindowFunctionDefinition::AggregateUDF(function) = &call.fun else { return };
                (function.name(), &call.params.args, &call.params.filter)
            }
            _ => return,
        };
        let ([argument], "sum" | "avg" | "count") = (arguments.as_slice(), function) else {
            return;
        };
        let addends = addends(argument, schema, &input.cells);
        if addends.is_empty() {
            return;
        }
        let mut groups = groups.to_vec();
        let mut settled = input.settled.clone();
        if let Some(filter) = filter {
            for condition in split_conjunction(filter) {
                if let Expr::BinaryExpr(pair) = condition
                    && pair.op == Operator::Eq
                    && columns(&pair.right, schema, &input.cells).is_empty()
                {
                    let Relation { cells, dependencies, .. } = &mut *input;
                    groups.push(self.attribute(&pair.left, schema, cells, dependencies));
                }
                let mut rows = Vec::new();
                settled_by(condition, schema, &input.cells, &mut rows);
                settled.extend(rows);
            }
        }
        self.sums.push(Sum {
            function: function.to_owned(),
            argument: argument.clone(),
            money: money_of_its_row(argument, schema, &input.cells),
            addends,
            groups,
            rows: input.rows.clone(),
            settled,
            dependencies: Arc::new(input.dependencies.clone()),
        });
    }

    fn window(&mut self, window: &Window) -> Relation {
        let schema = window.input.schema();
        let mut input = self.relation(&window.input);
        let mut made = Vec::new();
        for expr in &window.window_expr {
            let mut call = expr;
            while let Expr::Alias(alias) = call {
                call = &alias.expr;
            }
            let Expr::WindowFunction(function) = call else {
                return self.opaque("", &window.schema);
            };
            let mut by = Vec::new();
            for expr in &function.params.partition_by {
                by.push(self.attribute(expr, schema, &input.cells, &mut input.dependencies));
            }
            self.sum(call, schema, &mut input, &by);
            let attribute = self.fresh();
            let mut row = input.rows.clone();
            let is_aggregate = matches!(function.fun, WindowFunctionDefinition::AggregateUDF(_));
            if is_aggregate && function.params.order_by.is_empty() {
                // One value for the whole partition: a row of its own.
                let partition = self.instance("", Vec::new());
                input.dependencies.add(by.iter().copied(), [partition]);
                input.dependencies.add([partition], [attribute]);
                input.dependencies.add([partition], by.iter().copied());
                row = vec![partition];
            } else if function.fun.name() == "row_number" {
                let place = by.iter().copied().chain([attribute]);
                input.dependencies.add(place, input.rows.clone());
                input.candidates.push(by);
            }
            input.dependencies.add(input.rows.clone(), [attribute]);
            made.push(Cell { attribute, addends: vec![row] });
        }
        input.cells.extend(made);
        input
    }

    fn unnest(&mut self, unnest: &Unnest) -> Relation {
        let mut input = self.relation(&unnest.input);
        let lists: Vec<usize> = unnest.list_type_columns.iter().map(|(at, _)| *at).collect();
        let instances = input.rows.iter().filter_map(|row| self.instances.get(row));
        let currencies = instances.flat_map(|of| of.currencies.iter().copied()).collect();
        let element = (!lists.is_empty()).then(|| self.instance("unnest", currencies));
        let mut cells = Vec::new();
        for at in &unnest.dependency_indices {
            let Some(cell) = input.cells.get(*at).cloned() else { continue };
            match element {
                Some(element) if lists.contains(at) => {
                    let attribute = self.fresh();
                    input.dependencies.add([element], [attribute]);
                    cells.push(Cell { attribute, addends: vec![vec![element]] });
                }
                _ if unnest.struct_type_columns.contains(at) => {
                    let attribute = self.fresh();
                    input.dependencies.add([cell.attribute], [attribute]);
                    cells.push(Cell { attribute, addends: cell.addends });
                }
                _ => cells.push(cell),
            }
        }
        if let Some(element) = element {
            input.dependencies.add([element], input.rows.clone());
            input.rows.push(element);
        }
        input.cells = cells;
        input
    }

    fn union(&mut self, union: &Union) -> Relation {
        for input in &union.inputs {
            self.relation(input);
        }
        self.opaque("", &union.schema)
    }

    fn distinct(&mut self, distinct: &Distinct, schema: &DFSchema) -> Relation {
        let (mut input, by) = match distinct {
            Distinct::All(input) => {
                let input = self.relation(input);
                let by = input.cells.iter().map(|cell| cell.attribute).collect();
                (input, by)
            }
            Distinct::On(on) => {
                let of = on.input.schema();
                let mut input = self.relation(&on.input);
                let mut by: Vec<Attribute> = Vec::new();
                for expr in &on.on_expr {
                    by.push(self.attribute(expr, of, &input.cells, &mut input.dependencies));
                }
                (self.project(input, of, &on.select_expr), by)
            }
        };
        if input.cells.len() != schema.fields().len() {
            return self.opaque("", schema);
        }
        let instances = input.rows.iter().filter_map(|row| self.instances.get(row));
        let currencies = instances.flat_map(|of| of.currencies.iter().copied()).collect();
        let row = self.instance("", currencies);
        input.dependencies.add(by.iter().copied(), [row]);
        input.dependencies.add([row], input.cells.iter().map(|cell| cell.attribute));
        input.rows = vec![row];
        input.candidates.push(by);
        input
    }
}

/// What the conditions of a join say of both sides.
#[derive(Debug, Default)]
struct Found {
    left: Side,
    right: Side,
}

/// One side of a join.
#[derive(Debug, Default)]
struct Side {
    /// Its columns in the conditions: by these the other side's row is found.
    given: Vec<Attribute>,
    /// What the other side fixes of it.
    equal: Vec<Attribute>,
    /// What lies below a value of the other side, and what above it.
    lows: Vec<Attribute>,
    highs: Vec<Attribute>,
}

impl Side {
    /// By which its row is found. Between two bounds there is one: periods do not overlap.
    fn found(&self) -> Vec<Attribute> {
        let mut found = self.equal.clone();
        if !self.lows.is_empty() && !self.highs.is_empty() {
            found.extend(&self.lows);
        }
        found
    }
}

/// Which side of a join an expression reads.
enum Reads {
    Neither,
    Left,
    Right,
    Both,
}

fn side_of(expr: &Expr, schema: &DFSchema, width: usize) -> Reads {
    let columns = columns_at(expr, schema);
    let left = columns.iter().any(|at| *at < width);
    let right = columns.iter().any(|at| *at >= width);
    match (left, right) {
        (false, false) => Reads::Neither,
        (true, false) => Reads::Left,
        (false, true) => Reads::Right,
        (true, true) => Reads::Both,
    }
}

/// The columns of an expression by number, each once.
fn columns_at(expr: &Expr, schema: &DFSchema) -> Vec<usize> {
    let mut found = Vec::new();
    let walked = expr.apply(|part| {
        if let Expr::Column(column) = part
            && let Some(at) = schema.maybe_index_of_column(column)
            && !found.contains(&at)
        {
            found.push(at);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "the visitor never fails");
    found
}

fn columns(expr: &Expr, schema: &DFSchema, cells: &[Cell]) -> Vec<Attribute> {
    let at = columns_at(expr, schema);
    at.into_iter().filter_map(|at| cells.get(at)).map(|cell| cell.attribute).collect()
}

/// Whether two values never become one: a cast to text, or of a moment to a number.
fn keeps_apart(expr: &Expr, schema: &DFSchema) -> bool {
    let Expr::Cast(cast) = expr else { return false };
    let Ok(from) = cast.expr.get_type(schema) else { return false };
    match cast.field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Int64 => from.is_integer() || matches!(from, DataType::Timestamp(..)),
        _ => false,
    }
}

/// The rows that the values of an expression belong to.
fn addends(expr: &Expr, schema: &DFSchema, cells: &[Cell]) -> Addends {
    let of = |expr: &Expr| addends(expr, schema, cells);
    let found = match expr {
        Expr::Alias(alias) => of(&alias.expr),
        Expr::Cast(cast) => of(&cast.expr),
        Expr::TryCast(cast) => of(&cast.expr),
        Expr::Negative(inner) => of(inner),
        Expr::Column(column) => schema
            .maybe_index_of_column(column)
            .and_then(|at| cells.get(at))
            .map(|cell| cell.addends.clone())
            .unwrap_or_default(),
        Expr::BinaryExpr(pair) if matches!(pair.op, Operator::Plus | Operator::Minus) => {
            let mut sum = of(&pair.left);
            sum.extend(of(&pair.right).into_iter().filter(|rows| !rows.is_empty()));
            sum.sort();
            sum.dedup();
            sum
        }
        Expr::BinaryExpr(pair) if matches!(pair.op, Operator::Multiply | Operator::Divide) => {
            let (left, right) = (of(&pair.left), of(&pair.right));
            match (left.is_empty(), right.is_empty()) {
                (true, _) => right,
                (_, true) => left,
                (false, false) => {
                    let pairs = left.iter().flat_map(|one| {
                        right.iter().map(move |other| one.iter().chain(other).copied().collect())
                    });
                    pairs.collect()
                }
            }
        }
        _ => {
            let at = columns_at(expr, schema);
            let mut rows: Vec<Attribute> = at
                .into_iter()
                .filter_map(|at| cells.get(at))
                .flat_map(|cell| cell.addends.iter().flatten().copied())
                .collect();
            rows.sort_unstable();
            rows.dedup();
            if rows.is_empty() { Vec::new() } else { vec![rows] }
        }
    };
    if found.len() <= MOST_ADDENDS {
        return found;
    }
    let mut rows: Vec<Attribute> = found.into_iter().flatten().collect();
    rows.sort_unstable();
    rows.dedup();
    vec![rows]
}

/// Whether a column says in which currency a row is.
fn is_currency(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "currency" || name.ends_with("_currency") || name.ends_with("currency_code")
}

/// Remembers the rows whose currency a condition speaks of by a word of its own, such as
/// `is_order_currency`. What is compared with a value is fixed as any column is.
fn settle(predicate: &Expr, schema: &DFSchema, relation: &mut Relation) {
    let mut rows = Vec::new();
    settled_by(predicate, schema, &relation.cells, &mut rows);
    relation.settled.extend(rows);
}

fn settled_by(predicate: &Expr, schema: &DFSchema, cells: &[Cell], rows: &mut Vec<Attribute>) {
    for at in columns_at(predicate, schema) {
        let name = schema.field(at).name().to_lowercase();
        if name.contains("currency")
            && !is_currency(&name)
            && let Some(cell) = cells.get(at)
        {
            rows.extend(cell.addends.iter().flatten());
        }
    }
}

/// Whether an expression takes another value for another currency, or converts by a rate.
fn looks_at_currency(expr: &Expr) -> bool {
    let mut looks = false;
    let walked = expr.apply(|part| {
        looks |= match part {
            Expr::Case(case) => {
                let whens = case.when_then_expr.iter().map(|(when, _)| when).chain(&case.expr);
                whens
                    .flat_map(|when| when.column_refs())
                    .any(|column| column.name.to_lowercase().contains("currency"))
            }
            Expr::BinaryExpr(pair) if matches!(pair.op, Operator::Multiply | Operator::Divide) => {
                let mut sides = [&pair.left, &pair.right].into_iter();
                sides.any(|side| side.column_refs().iter().any(|column| is_rate(&column.name)))
            }
            _ => false,
        };
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "the visitor never fails");
    looks
}

fn is_rate(name: &str) -> bool {
    matches!(Unit::of_name(name), Some(Unit::Rate))
}

/// The rows of money in a sum whose currency stands beside it and not in its name.
fn money_of_its_row(argument: &Expr, schema: &DFSchema, cells: &[Cell]) -> Vec<Attribute> {
    if looks_at_currency(argument) {
        return Vec::new();
    }
    let is_money = |at: &usize| {
        let unit = Unit::of_name(schema.field(*at).name());
        matches!(unit, Some(Unit::Money(None) | Unit::Minor))
    };
    let money = columns_at(argument, schema).into_iter().filter(is_money);
    let cells = money.filter_map(|at| cells.get(at));
    cells.flat_map(|cell| cell.addends.iter().flatten().copied()).collect()
}
