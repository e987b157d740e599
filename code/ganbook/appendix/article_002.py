"""The defects of article 002, in its own order.

Explained in the book's section "Debug clinic".
"""

from ganbook.appendix.defects import Defect

DEFECTS: tuple[Defect, ...] = (
    Defect("002-01", section="1, 2.1, 3.1", kind="claim", title="Competition is said to make both networks better"),
    Defect(
        "002-02",
        section="2.1.1, 6.3",
        kind="claim",
        title="A generator of discrete values is said to need nothing further",
    ),
    Defect(
        "002-03", section="2.1.2", kind="claim", title="The discriminator is said to learn the distribution of the data"
    ),
    Defect("002-04", section="2.2.1, 2.2.2", kind="omission", title="The learning rate has no bound"),
    Defect(
        "002-05",
        section="2.2.2, 3.2, 6.4",
        kind="claim",
        title="Descent is repeated until convergence, in a game that has none",
    ),
    Defect(
        "002-06",
        section="3.2.1, 3.3.1",
        kind="claim",
        title="The generator is told to lower the discriminator's verdict on fakes",
    ),
    Defect(
        "002-07",
        section="3.2.2, 3.3.2",
        kind="claim",
        title="The discriminator is told to doubt real data and trust fakes",
    ),
    Defect("002-08", section="3.2.2", kind="formula", title="A probability is added to the logarithm of one"),
    Defect("002-09", section="3.3.1", kind="formula", title="The generator's loss moves with the real batch"),
    Defect("002-10", section="3.3.1, 4", kind="formula", title="The generator's loss saturates, and nothing says so"),
    Defect(
        "002-11", section="3.3.2", kind="formula", title="A plus sign takes the floor from the discriminator's loss"
    ),
    Defect("002-12", section="3.3.1, 3.3.2", kind="formula", title="Both players minimise one and the same formula"),
    Defect(
        "002-13", section="3.3.3, 4", kind="omission", title="Nothing says whether the players move together or in turn"
    ),
    Defect("002-14", section="4", kind="listing", title="The generator's last layer has no bounds, pixels have"),
    Defect("002-15", section="4", kind="listing", title="The pictures have no channel axis"),
    Defect("002-16", section="4", kind="listing", title="The discriminator never calls its last layer"),
    Defect("002-17", section="4", kind="listing", title="The logarithm of a probability, in 32 bits"),
    Defect("002-18", section="4", kind="listing", title="The discriminator's loss lacks its minus sign"),
    Defect("002-19", section="4", kind="listing", title="One optimiser serves both players"),
    Defect("002-20", section="4", kind="listing", title="Adam keeps its default memory in a game"),
    Defect("002-21", section="4", kind="listing", title="The same pictures are left out of every epoch"),
    Defect("002-22", section="4", kind="omission", title="No seed: no run can be repeated"),
    Defect("002-23", section="4", kind="listing", title="The fakes are made before the tape starts"),
    Defect("002-24", section="4", kind="omission", title="Nothing is measured, shown or kept"),
    Defect("002-25", section="4", kind="listing", title="A module is indexed as if it were the data"),
    Defect("002-26", section="4", kind="listing", title="Whole numbers go into a convolution"),
    Defect("002-27", section="4", kind="listing", title="Pixels from 0 to 255 meet fakes around 0"),
    Defect("002-28", section="4", kind="claim", title="Adam is called gradient descent"),
    Defect("002-29", section="6.1", kind="claim", title="Good pictures are taken as a sign of good generalisation"),
    Defect("002-30", section="6.2", kind="claim", title="VAEs are said to minimise a reconstruction error"),
    Defect(
        "002-31", section="6.2", kind="claim", title="Autoregressive models are said to minimise a reconstruction error"
    ),
)
