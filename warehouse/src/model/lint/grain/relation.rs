//! From a plan to what determines its rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::utils::{grouping_set_to_exprlist, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, LogicalPlan, Operator, Union, Unnest, Window,
    WindowFunctionDefinition,
};

use super::super::Grains;
use super::dependencies::{Attribute, Dependencies};
use super::values::{
    addends, columns, is_currency, keeps_apart, looks_at_currency, money_of_its_row, settle,
    settled_by,
};

/// The rows that a value is one of: each list is one addend, of rows that it was multiplied from.
pub(super) type Addends = Vec<Vec<Attribute>>;

/// A column: its attribute, and the rows that its values belong to.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) attribute: Attribute,
    pub(super) addends: Addends,
}

/// A relation: columns, the instances that its row is made of, and what determines what.
#[derive(Debug, Clone, Default)]
pub(super) struct Relation {
    pub(super) cells: Vec<Cell>,
    pub(super) rows: Vec<Attribute>,
    pub(super) dependencies: Dependencies,
    /// Sets of columns that may be keys.
    pub(super) candidates: Vec<Vec<Attribute>>,
    /// Instances whose currency a filter, a join or a case speaks of.
    pub(super) settled: Vec<Attribute>,
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
    /// Equal values are counted once.
    pub(super) is_distinct: bool,
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
    pub(super) fn opaque(&mut self, name: &str, schema: &DFSchema) -> Relation {
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
    pub(super) fn attribute(
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
    pub(super) fn fix(&mut self, condition: &Expr, schema: &DFSchema, relation: &mut Relation) {
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
        let (function, is_distinct, arguments, filter) = match expr {
            Expr::Alias(alias) => return self.sum(&alias.expr, schema, input, groups),
            Expr::AggregateFunction(call) => {
                let params = &call.params;
                (call.func.name(), params.distinct, &params.args, &params.filter)
            }
            Expr::WindowFunction(call) => {
                let WindowFunctionDefinition::AggregateUDF(function) = &call.fun else { return };
                let params = &call.params;
                (function.name(), params.distinct, &params.args, &params.filter)
            }
            _ => return,
        };
        // A repeated row is counted once by `count(distinct ..)`, and so are two equal amounts of
        // two rows by `sum(distinct ..)`.
        let ([argument], "sum" | "avg" | "count") = (arguments.as_slice(), function) else {
            return;
        };
        if is_distinct && function == "count" {
            return;
        }
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
            is_distinct,
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
