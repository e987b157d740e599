"""The defects of article 001, in its own order.

Explained in the book's section "Debug clinic".
"""

from ganbook.appendix.defects import Defect

DEFECTS: tuple[Defect, ...] = (
    Defect("001-01", section="1", kind="claim", title="A game is described as training on two tasks"),
    Defect("001-02", section="1", kind="claim", title="The generator is to make a data set like the real one"),
    Defect("001-03", section="2", kind="claim", title="A random variable is said to map events to numbers"),
    Defect("001-04", section="2", kind="claim", title="A distribution is said to tell how possible each value is"),
    Defect("001-05", section="2", kind="claim", title="Gradient descent is said to move along the gradient"),
    Defect("001-06", section="2", kind="claim", title="The smaller the loss, the better the model is said to be"),
    Defect("001-07", section="2", kind="claim", title="The gradient is called the slope at a point"),
    Defect(
        "001-08",
        section="2",
        kind="claim",
        title="An activation function is said to map a network's input to its output",
    ),
    Defect(
        "001-09", section="3", kind="claim", title="Training is to stop when the gap is small, and no gap is defined"
    ),
    Defect("001-10", section="3", kind="formula", title="Both players are given one and the same loss"),
    Defect(
        "001-11", section="3", kind="formula", title="The second half of the discriminator's loss has the wrong sign"
    ),
    Defect(
        "001-12", section="3", kind="formula", title="The generator's loss holds a term in which there is no generator"
    ),
    Defect("001-13", section="3", kind="claim", title="The value of a loss is said to be the discriminator's output"),
    Defect("001-14", section="3", kind="omission", title="The generator's loss saturates, and no other one is given"),
    Defect("001-15", section="3", kind="formula", title="The update rule of one minimiser is applied to two players"),
    Defect(
        "001-16",
        section="3",
        kind="omission",
        title="The probability is missing: no optimal discriminator, no divergence",
    ),
    Defect("001-17", section="4", kind="listing", title="The discriminator ends in a logit, and no loss is told so"),
    Defect("001-18", section="4", kind="listing", title="The optimiser is given an argument that no longer exists"),
    Defect("001-19", section="4", kind="listing", title="The data are never loaded"),
    Defect("001-20", section="4", kind="listing", title="The length of the noise is used and never set"),
    Defect("001-21", section="4", kind="listing", title="NumPy is used and never imported"),
    Defect("001-22", section="4", kind="listing", title="The two networks are described and never built"),
    Defect(
        "001-23", section="4", kind="listing", title="Neither network is compiled, and the optimiser is given to nobody"
    ),
    Defect(
        "001-24", section="4", kind="listing", title="The generator is trained to paint ones, without the discriminator"
    ),
    Defect("001-25", section="4", kind="listing", title="A loss is taken for a batch of pictures"),
    Defect("001-26", section="4", kind="listing", title="One returned number is unpacked into two"),
    Defect("001-27", section="4", kind="listing", title="The discriminator is shown labels in place of pictures"),
    Defect("001-28", section="4", kind="listing", title="A reshape is to turn grey pictures into coloured ones"),
    Defect("001-29", section="4", kind="listing", title="Every batch is the first batch"),
    Defect(
        "001-30",
        section="4",
        kind="listing",
        title="Real pictures are never brought to the range of the generated ones",
    ),
    Defect(
        "001-31", section="4", kind="listing", title="The step called training the discriminator trains the generator"
    ),
    Defect(
        "001-32", section="4", kind="listing", title="The number printed as the generator's loss is the discriminator's"
    ),
    Defect("001-33", section="4", kind="listing", title="The interval of saving is asked for and never used"),
    Defect(
        "001-34",
        section="5",
        kind="claim",
        title="Clipped and normalised gradients are named as the answer to instability",
    ),
    Defect("001-35", section="5", kind="claim", title="The analysis of activation functions is to explain a model"),
    Defect("001-36", section="6", kind="claim", title="How GANs differ from other models is answered with GANs"),
    Defect(
        "001-37",
        section="6",
        kind="claim",
        title="The generator is said to learn the relation of generated and real pictures",
    ),
    Defect(
        "001-38",
        section="6",
        kind="omission",
        title="Quality is named as the strength and instability as the only weakness",
    ),
)
