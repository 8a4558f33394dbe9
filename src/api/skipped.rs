//! Which values are left out of objects. Pure.

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) fn is_zero(n: &i64) -> bool {
    *n == 0
}
