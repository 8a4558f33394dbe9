//! A macro for enums whose values have fixed names in the API.

/// Defines an enum and, from the same list, the name of each value: [`Display`](std::fmt::Display),
/// `as_str`, and `ALL`. `list` is where `ALL` exists: `cfg(test)`, or `cfg(all())` for
/// everywhere, `cfg(any())` for nowhere.
macro_rules! named_enum {
    (
        list: $listed:meta;
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$of_variant:meta])* $variant:ident = $text:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $visibility enum $name {
            $($(#[$of_variant])* $variant,)+
        }

        impl $name {
            /// All values, in the order of their definition.
            #[$listed]
            $visibility const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name that users see.
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use named_enum;
