use super::*;

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

#[test]
fn quantiles_are_values_that_were_measured() {
    let values = [5.0, 1.0, 4.0, 2.0, 3.0];
    assert!(same(median(&values), 3.0));
    assert!(same(quantile(&values, 0.99), 5.0));
    assert!(same(quantile(&values, 0.0), 1.0));
    assert!(same(largest(&values), 5.0));
    assert!(same(median(&[]), 0.0));
}
