//! Placeholder until the command line lands.
fn main() {
    print!("{}", fio::api::crd::yaml().unwrap());
}
