"""The defects of article 002, in its own order.

Explained in the book's section "Debug clinic".
"""

from ganbook.appendix.defects import Defect

DEFECTS: tuple[Defect, ...] = (
    Defect("002-01", "1, 2.1, 3.1", "claim", "Competition is said to make both networks better"),
    Defect("002-02", "2.1.1, 6.3", "claim", "A generator of discrete values is said to need nothing further"),
    Defect("002-03", "2.1.2", "claim", "The discriminator is said to learn the distribution of the data"),
    Defect("002-04", "2.2.1, 2.2.2", "omission", "The learning rate has no bound"),
    Defect("002-05", "2.2.2, 3.2, 6.4", "claim", "Descent is repeated until convergence, in a game that has none"),
    Defect("002-06", "3.2.1, 3.3.1", "claim", "The generator is told to lower the discriminator's verdict on fakes"),
    Defect("002-07", "3.2.2, 3.3.2", "claim", "The discriminator is told to doubt real data and trust fakes"),
    Defect("002-08", "3.2.2", "formula", "A probability is added to the logarithm of one"),
    Defect("002-09", "3.3.1", "formula", "The generator's loss moves with the real batch"),
    Defect("002-10", "3.3.1, 4", "formula", "The generator's loss saturates, and nothing says so"),
    Defect("002-11", "3.3.2", "formula", "A plus sign takes the floor from the discriminator's loss"),
    Defect("002-12", "3.3.1, 3.3.2", "formula", "Both players minimise one and the same formula"),
    Defect("002-13", "3.3.3, 4", "omission", "Nothing says whether the players move together or in turn"),
    Defect("002-14", "4", "listing", "The generator's last layer has no bounds, pixels have"),
    Defect("002-15", "4", "listing", "The pictures have no channel axis"),
    Defect("002-16", "4", "listing", "The discriminator never calls its last layer"),
    Defect("002-17", "4", "listing", "The logarithm of a probability, in 32 bits"),
    Defect("002-18", "4", "listing", "The discriminator's loss lacks its minus sign"),
    Defect("002-19", "4", "listing", "One optimiser serves both players"),
    Defect("002-20", "4", "listing", "Adam keeps its default memory in a game"),
    Defect("002-21", "4", "listing", "The same pictures are left out of every epoch"),
    Defect("002-22", "4", "omission", "No seed: no run can be repeated"),
    Defect("002-23", "4", "listing", "The fakes are made before the tape starts"),
    Defect("002-24", "4", "omission", "Nothing is measured, shown or kept"),
    Defect("002-25", "4", "listing", "A module is indexed as if it were the data"),
    Defect("002-26", "4", "listing", "Whole numbers go into a convolution"),
    Defect("002-27", "4", "listing", "Pixels from 0 to 255 meet fakes around 0"),
    Defect("002-28", "4", "claim", "Adam is called gradient descent"),
    Defect("002-29", "6.1", "claim", "Good pictures are taken as a sign of good generalisation"),
    Defect("002-30", "6.2", "claim", "VAEs are said to minimise a reconstruction error"),
    Defect("002-31", "6.2", "claim", "Autoregressive models are said to minimise a reconstruction error"),
)
