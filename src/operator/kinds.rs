//! What is read, or kept, of objects of a kind goes by the name of that kind. Pure.

/// Part of an implementation of kube's `Resource` or `Lookup`: group, version and names are those of
/// another type.
macro_rules! same_kind_as {
    ($kind:ty) => {
        type DynamicType = ();

        fn kind((): &()) -> ::std::borrow::Cow<'_, str> {
            <$kind as ::kube::Resource>::kind(&())
        }
        fn group((): &()) -> ::std::borrow::Cow<'_, str> {
            <$kind as ::kube::Resource>::group(&())
        }
        fn version((): &()) -> ::std::borrow::Cow<'_, str> {
            <$kind as ::kube::Resource>::version(&())
        }
        fn plural((): &()) -> ::std::borrow::Cow<'_, str> {
            <$kind as ::kube::Resource>::plural(&())
        }
    };
}

pub(super) use same_kind_as;
