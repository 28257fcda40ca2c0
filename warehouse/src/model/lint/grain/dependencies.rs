//! Functional dependencies: which attributes determine which.

/// An attribute: a column's values, or the row of an instance.
pub(super) type Attribute = u32;

/// A set of attributes.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes {
    words: Vec<u64>,
}

impl Attributes {
    /// Adds one; whether it was not in before.
    fn insert(&mut self, attribute: Attribute) -> bool {
        let (word, bit) = Self::place(attribute);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        match self.words.get_mut(word) {
            Some(known) if *known & bit == 0 => {
                *known |= bit;
                true
            }
            _ => false,
        }
    }

    pub(super) fn contains(&self, attribute: Attribute) -> bool {
        let (word, bit) = Self::place(attribute);
        self.words.get(word).is_some_and(|known| known & bit != 0)
    }

    pub(super) fn contains_all(&self, attributes: &[Attribute]) -> bool {
        attributes.iter().all(|attribute| self.contains(*attribute))
    }

    fn place(attribute: Attribute) -> (usize, u64) {
        (usize::try_from(attribute / 64).unwrap_or(usize::MAX), 1 << (attribute % 64))
    }
}

/// `left` together determine each of `right`.
#[derive(Debug, Clone)]
struct Rule {
    left: Vec<Attribute>,
    right: Vec<Attribute>,
}

/// All that is known to determine something.
#[derive(Debug, Clone, Default)]
pub(super) struct Dependencies {
    rules: Vec<Rule>,
}

impl Dependencies {
    pub(super) fn add(
        &mut self,
        left: impl IntoIterator<Item = Attribute>,
        right: impl IntoIterator<Item = Attribute>,
    ) {
        let (left, right) = (left.into_iter().collect(), right.into_iter().collect());
        self.rules.push(Rule { left, right });
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.rules.extend(other.rules);
    }

    /// All that the attributes determine, themselves included.
    pub(super) fn closure(&self, of: impl IntoIterator<Item = Attribute>) -> Attributes {
        let mut known = Attributes::default();
        for attribute in of {
            known.insert(attribute);
        }
        let mut open: Vec<&Rule> = self.rules.iter().collect();
        loop {
            let before = open.len();
            open.retain(|rule| {
                let fires = known.contains_all(&rule.left);
                if fires {
                    for attribute in &rule.right {
                        known.insert(*attribute);
                    }
                }
                !fires
            });
            if open.len() == before {
                return known;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_rules_is_followed_to_its_end_and_half_a_left_side_does_not_count() {
        let mut dependencies = Dependencies::default();
        dependencies.add([2, 3], [4]);
        dependencies.add([1], [2]);
        dependencies.add([], [100]);
        assert!(dependencies.closure([1, 3]).contains_all(&[1, 2, 3, 4, 100]));
        assert!(!dependencies.closure([1]).contains(4));
        assert!(!dependencies.closure([3]).contains(2));
    }
}
