//! Gives a type the API kind of another type: what is read or kept of a Node is still a Node. Pure.

/// Part of an implementation of kube's `Resource` or `Lookup`: group, version, kind and plural are
/// those of another type.
macro_rules! delegate_kind {
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

pub(super) use delegate_kind;
