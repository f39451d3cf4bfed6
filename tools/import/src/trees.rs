//! Decision trees and forests of `ai.onnx.ml`: all nodes of all trees at once.
//!
//! One gather brings each node its feature, one comparison decides all nodes, and a leaf is reached where the product of the
//! decisions on its path is 1. Products are taken in pairs, so that they need as many rounds as the depth has binary
//! digits; paths that begin alike share them. The leaves times their values are one product of matrices. The job shows the
//! shape of the trees and the feature of each node; thresholds and values are private. Of large forests features and paths
//! are private matrices too, and a second comparison finds the leaf that agrees with all decisions.

use crate::call::{Call, Shared};
use crate::classic::{classified, labels, rows, transformed};
use crate::lower::{Lowered, Lowering, NEVER};
use crate::tensor::Tensor;
use std::collections::BTreeMap;

/// All that the ops have, of which hit rates say nothing about results, and data of a job is never missing.
pub(crate) const ATTRIBUTES: &[&str] = &[
    "aggregate_function",
    "base_values",
    "base_values_as_tensor",
    "class_ids",
    "class_nodeids",
    "class_treeids",
    "class_weights",
    "class_weights_as_tensor",
    "classlabels_int64s",
    "classlabels_strings",
    "n_targets",
    "nodes_falsenodeids",
    "nodes_featureids",
    "nodes_hitrates",
    "nodes_hitrates_as_tensor",
    "nodes_missing_value_tracks_true",
    "nodes_modes",
    "nodes_nodeids",
    "nodes_treeids",
    "nodes_truenodeids",
    "nodes_values",
    "nodes_values_as_tensor",
    "post_transform",
    "target_ids",
    "target_nodeids",
    "target_treeids",
    "target_weights",
    "target_weights_as_tensor",
];

/// The most decisions on all paths together.
const MOST_DECISIONS: usize = 1 << 22;

/// The most leaves whose paths are listed; beyond, matrices have them.
const MOST_LISTED: usize = 512;

/// A node's place: its tree and its number there.
type Place = (i64, i64);

/// A decision of a node: `feature` ≤ `threshold`, both with the other sign where it is turned.
struct Decision {
    feature: usize,
    threshold: f64,
    is_turned: bool,
}

/// A leaf, and the decisions that lead to it: the number of each, and whether it holds.
struct Leaf {
    place: Place,
    path: Vec<(usize, bool)>,
}

/// The trees of a node of the model.
struct Forest {
    decisions: Vec<Decision>,
    leaves: Vec<Leaf>,
    trees: usize,
}

/// A node as the attributes have it.
enum Kind {
    Leaf,
    /// The decision, whether it holds where the node says true, and the nodes for true and false.
    Branch(Decision, bool, [Place; 2]),
}

impl Forest {
    fn read(call: &Call, features: usize) -> Result<Forest, String> {
        let mut nodes = nodes(call, features)?;
        let children: std::collections::BTreeSet<Place> = nodes
            .values()
            .filter_map(|kind| if let Kind::Branch(.., next) = kind { Some(*next) } else { None })
            .flatten()
            .collect();
        let roots: Vec<Place> = nodes.keys().copied().filter(|place| !children.contains(place)).collect();
        let mut trees: Vec<i64> = nodes.keys().map(|&(tree, _)| tree).collect();
        trees.dedup();
        if !roots.iter().map(|&(tree, _)| tree).eq(trees.iter().copied()) {
            return Err("a tree has not exactly one root".to_owned());
        }
        let (mut decisions, mut leaves, mut total) = (Vec::new(), Vec::new(), 0usize);
        let mut open: Vec<Leaf> =
            roots.into_iter().rev().map(|place| Leaf { place, path: Vec::new() }).collect();
        while let Some(Leaf { place, path }) = open.pop() {
            // A node is taken out: a second path to it finds none.
            match nodes.remove(&place) {
                None => {
                    return Err(format!(
                        "tree {} leads to node {} twice, or it is not there",
                        place.0, place.1
                    ));
                }
                Some(Kind::Leaf) => leaves.push(Leaf { place, path }),
                // No ring holds such a threshold, and all data lies on the same side of it.
                Some(Kind::Branch(decision, holds, [yes, no])) if decision.threshold.abs() >= NEVER => {
                    let (kept, dropped) =
                        if (decision.threshold > 0.0) == holds { (yes, no) } else { (no, yes) };
                    drop_tree(&mut nodes, dropped)?;
                    open.push(Leaf { place: kept, path });
                }
                Some(Kind::Branch(decision, holds, [yes, no])) => {
                    for (place, holds) in [(no, !holds), (yes, holds)] {
                        let mut path = path.clone();
                        path.push((decisions.len(), holds));
                        total += path.len();
                        open.push(Leaf { place, path });
                    }
                    if total > MOST_DECISIONS {
                        return Err("its trees are too large or too deep".to_owned());
                    }
                    decisions.push(decision);
                }
            }
        }
        if !nodes.is_empty() {
            return Err("a tree leads back to itself".to_owned());
        }
        Ok(Forest { decisions, leaves, trees: trees.len() })
    }

    /// Puts decisions on one feature beside each other, so that few pieces are gathered.
    fn sort(&mut self) {
        let mut order: Vec<usize> = (0..self.decisions.len()).collect();
        order.sort_by_key(|&at| (self.decisions[at].is_turned, self.decisions[at].feature));
        let mut places = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| places[old] = new);
        self.leaves.iter_mut().flat_map(|leaf| &mut leaf.path).for_each(|(at, _)| *at = places[*at]);
        let mut decisions: Vec<Option<Decision>> =
            std::mem::take(&mut self.decisions).into_iter().map(Some).collect();
        self.decisions = order.iter().filter_map(|&old| decisions[old].take()).collect();
    }
}

/// Takes out a node that no data reaches, and all below it.
fn drop_tree(nodes: &mut BTreeMap<Place, Kind>, root: Place) -> Result<(), String> {
    let mut open = vec![root];
    while let Some(place) = open.pop() {
        match nodes.remove(&place) {
            None => {
                return Err(format!("tree {} leads to node {} twice, or it is not there", place.0, place.1));
            }
            Some(Kind::Leaf) => {}
            Some(Kind::Branch(_, _, next)) => open.extend(next),
        }
    }
    Ok(())
}

/// The nodes of all trees.
fn nodes(call: &Call, features: usize) -> Result<BTreeMap<Place, Kind>, String> {
    let [trees, numbers, columns, yes, no] =
        ["nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids"]
            .map(|name| call.integers(name));
    let (trees, numbers, columns, yes, no) = (trees?, numbers?, columns?, yes?, no?);
    let modes = call.texts("nodes_modes")?;
    let values = weights(call, "nodes_values")?;
    let lengths = [numbers.len(), columns.len(), yes.len(), no.len(), modes.len(), values.len()];
    if lengths != [trees.len(); 6] || trees.is_empty() {
        return Err("the attributes of its nodes differ in length".to_owned());
    }
    let mut nodes = BTreeMap::new();
    for at in 0..trees.len() {
        let (tree, mode) = (trees[at], modes[at].as_str());
        let kind = if mode == "LEAF" {
            Kind::Leaf
        } else {
            let feature = usize::try_from(columns[at]).ok().filter(|&feature| feature < features);
            let feature =
                feature.ok_or_else(|| format!("a node asks for feature {} of {features}", columns[at]))?;
            let (is_turned, holds) = match mode {
                "BRANCH_LEQ" => (false, true),
                "BRANCH_GT" => (false, false),
                "BRANCH_GTE" => (true, true),
                "BRANCH_LT" => (true, false),
                other => return Err(format!("mode {}", other.escape_debug())),
            };
            let threshold = if is_turned { -values[at] } else { values[at] };
            Kind::Branch(Decision { feature, threshold, is_turned }, holds, [(tree, yes[at]), (tree, no[at])])
        };
        if nodes.insert((tree, numbers[at]), kind).is_some() {
            return Err(format!("tree {tree} has node {} twice", numbers[at]));
        }
    }
    Ok(nodes)
}

/// Numbers that files of doubles have as a tensor.
fn weights(call: &Call, name: &str) -> Result<std::rc::Rc<[f64]>, String> {
    let plain = call.numbers(name)?;
    if plain.is_empty() { call.numbers(&format!("{name}_as_tensor")) } else { Ok(plain) }
}

/// The values of leaves: a row for each, in the order of the leaves, and the sum of those that every row of data reaches.
fn values(
    call: &Call,
    forest: &Forest,
    what: &str,
    columns: usize,
    share: f64,
) -> Result<(Vec<Vec<f64>>, Vec<f64>), String> {
    let [trees, numbers, ids] =
        ["treeids", "nodeids", "ids"].map(|name| call.integers(&format!("{what}_{name}")));
    let (trees, numbers, ids, weights) = (trees?, numbers?, ids?, weights(call, &format!("{what}_weights"))?);
    if [numbers.len(), ids.len(), weights.len()] != [trees.len(); 3] {
        return Err("the attributes of its leaves differ in length".to_owned());
    }
    if columns.checked_mul(forest.leaves.len()).is_none_or(|count| count > crate::fold::MOST_ELEMENTS) {
        return Err("its leaves have too many values".to_owned());
    }
    let places: BTreeMap<Place, usize> =
        forest.leaves.iter().enumerate().map(|(at, leaf)| (leaf.place, at)).collect();
    let mut rows = vec![vec![0.0; columns]; forest.leaves.len()];
    for at in 0..trees.len() {
        let column = usize::try_from(ids[at]).ok().filter(|&column| column < columns);
        let column =
            column.ok_or_else(|| format!("a leaf has a value for result {} of {columns}", ids[at]))?;
        // Values of inner nodes count for nothing.
        if let Some(&leaf) = places.get(&(trees[at], numbers[at])) {
            rows[leaf][column] += weights[at] * share;
        }
    }
    let mut always = vec![0.0; columns];
    for (row, leaf) in rows.iter().zip(&forest.leaves) {
        if leaf.path.is_empty() {
            always.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
    }
    Ok((rows, always))
}

/// The sums of the values of all leaves that a row of data reaches.
fn summed(l: &mut Lowering, call: &Call, what: &str, columns: usize) -> Result<Shared, String> {
    let x = rows(l, call)?;
    let mut forest = Forest::read(call, x.dims[1])?;
    let share = match call.text("aggregate_function", "SUM")?.as_str() {
        "SUM" => 1.0,
        "AVERAGE" => 1.0 / forest.trees as f64,
        other => return Err(format!("aggregate_function = {}", other.escape_debug())),
    };
    let (leaves, mut base) = values(call, &forest, what, columns, share)?;
    let given = weights(call, "base_values")?;
    match given.len() {
        0 => {}
        count if count == columns => {
            base.iter_mut().zip(given.iter()).for_each(|(base, given)| *base += given)
        }
        count => return Err(format!("{count} base_values for {columns} results")),
    }
    if forest.decisions.is_empty() {
        return Err("its trees decide nothing".to_owned());
    }
    let (reached, order) = if forest.leaves.len() > MOST_LISTED {
        reached_by_matrices(l, &x, &forest)?
    } else {
        forest.sort();
        reached(l, &x, &forest)?
    };
    let hint = l.hint().to_owned();
    let nothing = vec![0.0; columns];
    let rows = order.iter().flat_map(|leaf| leaf.map_or(&nothing, |leaf| &leaves[leaf]).iter().copied());
    let table = Tensor::real(&[order.len(), columns], rows.collect()).kept(true);
    let table = l.parameter_called(&table, &format!("{hint}_leaves"))?;
    let mut text = format!("{} @ {table}", reached.name);
    if base.iter().any(|&base| base != 0.0) {
        let base = l.parameter_called(&Tensor::real(&[columns], base).kept(true), &format!("{hint}_base"))?;
        text = format!("{text} + {base}");
    }
    Ok(l.part("sums", text, &[x.dims[0], columns], false))
}

/// For each row of data and each leaf 1 where it is reached, and the leaves in the order of the columns.
fn reached(l: &mut Lowering, x: &Shared, forest: &Forest) -> Result<(Shared, Vec<Option<usize>>), String> {
    let (count, width) = (x.dims[0], x.dims[1]);
    let mut name = l.plain(x)?;
    let has_turned = forest.decisions.iter().any(|decision| decision.is_turned);
    if has_turned {
        name =
            l.part("both_signs", format!("concat({name}, -{name}, axis=1)"), &[count, 2 * width], false).name;
    }
    let decisions = forest.decisions.len();
    let places: Vec<usize> = forest
        .decisions
        .iter()
        .map(|decision| decision.feature + if decision.is_turned { width } else { 0 })
        .collect();
    let thresholds: Vec<f64> = forest.decisions.iter().map(|decision| decision.threshold).collect();
    let hint = l.hint().to_owned();
    let thresholds = l.parameter_called(
        &Tensor::real(&[decisions], thresholds).kept(true),
        &format!("{hint}_thresholds"),
    )?;
    let features = l.columns(&name, &places)?;
    let bits = l.part("decisions", format!("{features} <= {thresholds}"), &[count, decisions], true).name;
    let mut level =
        l.part("literals", format!("concat({bits}, 1 - {bits}, axis=1)"), &[count, 2 * decisions], true);
    let branched = forest.leaves.iter().enumerate().filter(|(_, leaf)| !leaf.path.is_empty());
    let mut paths: Vec<(usize, Vec<usize>)> = branched
        .map(|(at, leaf)| {
            (at, leaf.path.iter().map(|&(at, holds)| if holds { at } else { decisions + at }).collect())
        })
        .collect();
    let mut is_first = true;
    while is_first || paths.iter().any(|(_, path)| path.len() > 1) {
        is_first = false;
        let Pairs { pairs, singles } = paired(&mut paths);
        let mut parts = Vec::new();
        if !pairs.is_empty() {
            let (left, right): (Vec<usize>, Vec<usize>) = pairs.into_iter().unzip();
            let (left, right) = (l.columns(&level.name, &left)?, l.columns(&level.name, &right)?);
            parts.push(format!("{left} * {right}"));
        }
        if !singles.is_empty() {
            parts.push(l.columns(&level.name, &singles)?);
        }
        let columns = paths.iter().flat_map(|(_, path)| path).max().map_or(0, |last| last + 1);
        let text = if let [one] = &parts[..] {
            one.clone()
        } else {
            format!("concat({}, axis=1)", parts.join(", "))
        };
        level = l.part("paths", text, &[count, columns], true);
    }
    let mut order = vec![None; paths.len()];
    paths.iter().for_each(|(leaf, path)| order[path[0]] = Some(*leaf));
    Ok((level, order))
}

/// The same by private matrices, for large forests, of which lists of columns would be long: each node's feature is a column
/// of ones and zeros, and each tree's paths are a matrix that counts on how many decisions a leaf agrees. All trees have as
/// many nodes and leaves as the largest; what a tree lacks is reached by nothing.
fn reached_by_matrices(
    l: &mut Lowering,
    x: &Shared,
    forest: &Forest,
) -> Result<(Shared, Vec<Option<usize>>), String> {
    let (count, width) = (x.dims[0], x.dims[1]);
    let mut trees: Vec<Vec<usize>> = Vec::new();
    for (at, leaf) in forest.leaves.iter().enumerate().filter(|(_, leaf)| !leaf.path.is_empty()) {
        match trees.last_mut() {
            Some(tree) if forest.leaves[tree[0]].place.0 == leaf.place.0 => tree.push(at),
            _ => trees.push(vec![at]),
        }
    }
    // The decisions of a tree are neighbours, and there is one less than leaves.
    let leaves = trees.iter().map(Vec::len).max().unwrap_or(0);
    let nodes = leaves - 1;
    let sizes = [width, nodes, leaves].map(|extent| extent.checked_mul(trees.len() * nodes.max(leaves)));
    if sizes.iter().any(|size| size.is_none_or(|size| size > crate::fold::MOST_ELEMENTS)) {
        return Err("its trees are too large together".to_owned());
    }
    let all = trees.len() * nodes;
    let (mut features, mut thresholds) = (vec![0.0; width * all], vec![0.0; all]);
    let (mut paths, mut agreed) = (vec![0.0; all * leaves], vec![1.0; trees.len() * leaves]);
    let (mut order, mut deepest) = (vec![None; trees.len() * leaves], 1);
    for (tree, own) in trees.iter().enumerate() {
        let decisions = || own.iter().flat_map(|&leaf| &forest.leaves[leaf].path).map(|&(at, _)| at);
        let first = decisions().min().unwrap_or(0);
        for decision in decisions() {
            let (node, Decision { feature, threshold, is_turned }) =
                (tree * nodes + decision - first, &forest.decisions[decision]);
            features[feature * all + node] = if *is_turned { -1.0 } else { 1.0 };
            thresholds[node] = *threshold;
        }
        for (place, &leaf) in own.iter().enumerate() {
            let path = &forest.leaves[leaf].path;
            order[tree * leaves + place] = Some(leaf);
            agreed[tree * leaves + place] = path.iter().filter(|(_, holds)| *holds).count() as f64;
            deepest = deepest.max(path.len());
            for &(decision, holds) in path {
                paths[(tree * nodes + decision - first) * leaves + place] = if holds { 1.0 } else { -1.0 };
            }
        }
    }
    let (name, hint) = (l.plain(x)?, l.hint().to_owned());
    let trees = trees.len();
    let mut private = |values: Vec<f64>, dims: &[usize], what: &str| {
        l.parameter_called(&Tensor::real(dims, values).kept(true), &format!("{hint}_{what}"))
    };
    let features = private(features, &[width, all], "features")?;
    let thresholds = private(thresholds, &[all], "thresholds")?;
    let paths = private(paths, &[trees, nodes, leaves], "paths")?;
    let agreed = private(agreed, &[trees, 1, leaves], "agreed")?;
    let bits = l.part("decisions", format!("{name} @ {features} <= {thresholds}"), &[count, all], true).name;
    let text = format!("transpose(reshape({bits}, {count}, {trees}, {nodes}), 1, 0, 2) @ {paths} - {agreed}");
    let missed = l.part("missed", text, &[trees, count, leaves], false).name;
    let text = format!("assume({missed}, -{}, 0) == 0", deepest + 1);
    let hit = l.part("hit", text, &[trees, count, leaves], true).name;
    let text = format!("reshape(transpose({hit}, 1, 0, 2), {count}, {})", trees * leaves);
    Ok((l.part("reached", text, &[count, trees * leaves], true), order))
}

/// The columns of a level that are multiplied for the next one, and those that wait.
struct Pairs {
    pairs: Vec<(usize, usize)>,
    singles: Vec<usize>,
}

/// Pairs neighbours on all paths, which become those of the next level: the products' columns, and then the others'.
fn paired(paths: &mut [(usize, Vec<usize>)]) -> Pairs {
    let (mut pairs, mut singles) = (BTreeMap::new(), BTreeMap::new());
    let (mut in_order, mut waiting) = (Vec::new(), Vec::new());
    for (_, path) in paths.iter() {
        for pair in path.chunks(2) {
            match *pair {
                [left, right] => {
                    pairs.entry((left, right)).or_insert_with(|| {
                        in_order.push((left, right));
                        in_order.len() - 1
                    });
                }
                [single] => {
                    singles.entry(single).or_insert_with(|| {
                        waiting.push(single);
                        waiting.len() - 1
                    });
                }
                _ => {}
            }
        }
    }
    for (_, path) in paths.iter_mut() {
        let next = |pair: &[usize]| match *pair {
            [left, right] => pairs[&(left, right)],
            _ => in_order.len() + singles[&pair[0]],
        };
        *path = path.chunks(2).map(next).collect();
    }
    Pairs { pairs: in_order, singles: waiting }
}

pub(crate) fn regressor(l: &mut Lowering, call: &Call) -> Lowered {
    let columns = usize::try_from(call.whole("n_targets", 1)?).map_err(|_| "n_targets is negative")?;
    let sums = summed(l, call, "target", columns)?;
    let transform = call.text("post_transform", "NONE")?;
    Ok(vec![transformed(l, &sums, &transform)?])
}

pub(crate) fn classifier(l: &mut Lowering, call: &Call) -> Lowered {
    let labels = labels(call, "classlabels_int64s")?;
    let ids = call.integers("class_ids")?;
    // One score for two classes is the second one's.
    let is_single = labels.len() == 2 && ids.iter().all(|id| Some(id) == ids.first());
    let is_margin = weights(call, "class_weights")?.iter().any(|&weight| weight < 0.0);
    if is_single && !is_margin && call.text("post_transform", "NONE")? != "NONE" {
        return Err(
            "a transformed score of weights that are all positive, of which runtimes differ".to_owned()
        );
    }
    let single = match ids.first() {
        Some(&id) => usize::try_from(id).ok().filter(|&id| id < labels.len().max(1)),
        None => Some(0),
    };
    let single = single.ok_or("a class is numbered beyond the labels")?;
    let columns = if is_single { single + 1 } else { labels.len() };
    let mut sums = summed(l, call, "class", columns.max(1))?;
    if is_single && columns == 2 {
        let text = format!("{}[:, 1:2]", sums.name);
        sums = l.part("positive", text, &[sums.dims[0], 1], false);
    }
    classified(l, call, &labels, &sums, is_margin)
}
