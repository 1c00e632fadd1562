/** What tests of several rooms share: drawn arguments for properties. */
@NullMarked
package assay.testing;

import org.jspecify.annotations.NullMarked;
