//! Splitting cents so that the parts sum to the whole: largest remainder, in 128-bit integers.

/// A receiver of a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Breaks ties: the smaller key is served first.
    pub(crate) key: u64,
    pub(crate) weight: i64,
}

/// Shares of `total` in the order of `claims`. Without a positive weight everybody weighs the same.
///
/// The split is made on the absolute value and given the sign of `total`.
pub(crate) fn allocate(total: i64, claims: &[Claim]) -> Vec<i64> {
    let none_weighs = claims.iter().all(|claim| claim.weight <= 0);
    let weight = |claim: &Claim| if none_weighs { 1 } else { i128::from(claim.weight.max(0)) };
    let sum: i128 = claims.iter().map(weight).sum();
    if sum == 0 {
        return Vec::new();
    }
    let whole = i128::from(total).abs();
    let mut parts: Vec<(i128, i128, u64)> = claims
        .iter()
        .map(|claim| {
            let product = whole * weight(claim);
            (product / sum, product % sum, claim.key)
        })
        .collect();
    let mut left = whole - parts.iter().map(|(floor, _, _)| floor).sum::<i128>();
    let mut queue: Vec<&mut (i128, i128, u64)> = parts.iter_mut().collect();
    queue.sort_by(|a, b| b.1.cmp(&a.1).then(a.2.cmp(&b.2)));
    for part in queue {
        if left == 0 {
            break;
        }
        part.0 += 1;
        left -= 1;
    }
    let sign = i128::from(total.signum());
    parts.into_iter().map(|(part, _, _)| i64::try_from(part * sign).unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(weights: &[i64]) -> Vec<Claim> {
        weights.iter().zip(1..).map(|(weight, key)| Claim { key, weight: *weight }).collect()
    }

    #[test]
    fn the_golden_order_is_split_to_its_published_cents() {
        let nets = claims(&[4_410, 4_500]);
        assert_eq!(allocate(599, &nets), [296, 303]);
        assert_eq!(allocate(327, &nets), [162, 165]);
    }

    #[test]
    fn ties_go_to_the_smallest_key_and_no_weight_means_equal() {
        assert_eq!(allocate(100, &claims(&[1, 1, 1])), [34, 33, 33]);
        assert_eq!(allocate(2, &claims(&[0, 0, 0])), [1, 1, 0]);
        assert_eq!(allocate(-100, &claims(&[1, 1, 1])), [-34, -33, -33]);
        let backwards = [Claim { key: 9, weight: 1 }, Claim { key: 3, weight: 1 }];
        assert_eq!(allocate(1, &backwards), [0, 1]);
        assert!(allocate(5, &[]).is_empty());
    }

    #[test]
    fn parts_always_sum_to_the_whole() {
        for total in [-1_001, -1, 0, 1, 7, 99_999] {
            for weights in [&[3, 0, 5][..], &[-1, 4], &[1], &[7, 7, 7, 7, 1]] {
                assert_eq!(allocate(total, &claims(weights)).iter().sum::<i64>(), total);
            }
        }
    }
}
