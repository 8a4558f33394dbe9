//! How fio tells about itself: logs and health. Beside the other rooms, used by all.

pub mod health;
pub mod logging;
